"""IEMOCAP_hubert: waves of utterances, their emotions, speakers and folds; the pickle of its own scripts."""

from portrait_prep.views.iemocap_hubert.samples import LABELS, SPEAKERS, IemocapHubert, folds, iemocap_hubert

__all__ = ["LABELS", "SPEAKERS", "IemocapHubert", "folds", "iemocap_hubert"]

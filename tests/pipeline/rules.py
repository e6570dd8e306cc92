"""A rule for the toys: those of the project speak of stages that the toys do not have."""

from collections.abc import Mapping

from portrait_prep.manifests.verdict import Measured, QualitySettings, Verdict

SHORT = "it is short"


def toy_rule(records: Mapping[str, Measured], unfinished: Mapping[str, str], settings: QualitySettings) -> Verdict:
    """In the place of `judge`: a video must last as long as `min_seconds` says."""
    reasons = [f"{stage} is {told}" for stage, told in unfinished.items()]
    if not unfinished and records["count"].metrics["seconds"] < settings.min_seconds:
        reasons.append(SHORT)
    return Verdict(accepted=not reasons, reasons=tuple(reasons))

"""`init`: a corpus becomes the catalogue of a workspace."""

from cyclopts import App

from pipeline.cli.init_folder import folder
from pipeline.cli.init_hdtf import hdtf
from pipeline.cli.init_iemocap import iemocap
from pipeline.cli.init_ravdess import ravdess

init = App(name="init", help="Make a workspace from a corpus, or add to it what is new.")
for corpus in (folder, hdtf, ravdess, iemocap):
    init.command(corpus)

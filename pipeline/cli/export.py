"""`export`: a workspace as files that other programs read, one file of this folder for each kind."""

from cyclopts import App

export = App(name="export", help="Write the files that a training system's own loader reads.")
EXPORTS = (
    ("moda", "export_moda:moda", "Write accepted videos in the folder layout that MODA's own loader reads."),
    ("mouth-pca", "export_mouth_pca:mouth_pca", "Fit the PCA whose coefficients DH_live's LSTM is trained on."),
)
"""Name, place and help of each. Loaded when called, as all commands are."""

for name, place, told in EXPORTS:
    export.command(f"pipeline.cli.{place}", name=name, help=told)

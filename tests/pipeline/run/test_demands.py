from portrait_prep.pipeline.run.demands import Demands, packages_of_values


def test_packages_that_decide_values_are_compared_and_no_others() -> None:
    packages = packages_of_values()
    assert {"numpy", "mediapipe", "pyarrow", "scipy", "onnxruntime"} <= set(packages)
    assert not {"yt-dlp", "tqdm", "jinja2", "torch", "pytest"} & set(packages)
    assert Demands(packages).folders == ()

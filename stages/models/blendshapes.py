"""The 52 blendshape scores of MediaPipe's face landmarker: names in the order of the network's output.

ARKit's blend shapes without `tongueOut`, after `_neutral`. Left and right are the subject's own. See
https://developers.google.com/mediapipe/solutions/vision/face_landmarker and, for what each stands for,
https://developer.apple.com/documentation/arkit/arfaceanchor/blendshapelocation.
"""

NAMES = (
    "_neutral",
    *("browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    *("cheekPuff", "cheekSquintLeft", "cheekSquintRight"),
    *("eyeBlinkLeft", "eyeBlinkRight"),
    *("eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight"),
    *("eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight"),
    *("eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight"),
    *("jawForward", "jawLeft", "jawOpen", "jawRight"),
    *("mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel"),
    *("mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker"),
    *("mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper"),
    *("mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight"),
    *("mouthUpperUpLeft", "mouthUpperUpRight"),
    *("noseSneerLeft", "noseSneerRight"),
)
COUNT = len(NAMES)
INDEX = {name: number for number, name in enumerate(NAMES)}


def mirrored(name: str) -> str:
    """The name of the same movement on the other side of the face; of one that has no side, its own."""
    sides = {"Left": "Right", "Right": "Left"}
    for side, other in sides.items():
        if name.endswith(side):
            return name.removesuffix(side) + other
    return name

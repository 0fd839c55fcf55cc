"""A judge of one's own: Amazon Rekognition compares the faces of model and result.

Deploy it as a Lambda function of its own (Python 3.13, no layer, 10 s, 256 MB), which may call
`rekognition:CompareFaces` and read `runs/*/previews/*` of the stack's bucket, and name its ARN in the stack's parameter
`JudgeFunction`. Rekognition compares faces: docs/checks.md says what that may need of people's consent. It charges for
each call, about a dollar a thousand.
"""

import os
from functools import cache
from typing import Any

import boto3

LEAST_SIMILARITY = float(os.environ.get("LEAST_SIMILARITY", "90"))
"""Of 100: below it the result is flagged."""


@cache
def rekognition() -> Any:
    """The client, made at the first call."""
    return boto3.client("rekognition")


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Compare the small copies of the model's photograph and of the result."""
    bucket = event["result"]["bucket"]

    def image(file: dict[str, Any]) -> dict[str, Any]:
        # The copies of all pictures are in the run's folder, JPEG, as Rekognition takes them.
        return {"S3Object": {"Bucket": bucket, "Name": file["copy_key"]}}

    try:
        found = rekognition().compare_faces(
            SourceImage=image(event["model_picture"]), TargetImage=image(event["result"]), SimilarityThreshold=0
        )
    except rekognition().exceptions.InvalidParameterException:
        # There is no face in the model's photograph.
        return {"scores": {}, "flags": []}
    likeness = max((one["Similarity"] for one in found["FaceMatches"]), default=0.0)
    if likeness >= LEAST_SIMILARITY:
        return {"scores": {"similarity": likeness}, "flags": []}
    if not found["FaceMatches"] and not found["UnmatchedFaces"]:
        reason = "no face is seen in the result"
    else:
        reason = f"the face is {likeness:.0f} % like the model's"
    box = next((one["BoundingBox"] for one in found["UnmatchedFaces"]), None)
    flag = {"reason": reason, "score": 1 - likeness / 100, **({"box": _shares(box)} if box else {})}
    return {"scores": {"similarity": likeness}, "flags": [flag]}


def _shares(box: dict[str, float]) -> list[float]:
    """Left, top, right, bottom, none of them outside of the picture."""
    sides = (box["Left"], box["Top"], box["Left"] + box["Width"], box["Top"] + box["Height"])
    return [min(1.0, max(0.0, side)) for side in sides]

"""Synthetic results for the benchmark of the checks: `python -m benchmarks.check_pictures ASSETS OUT`.

ASSETS is the folder `openvto/assets` of the unpacked wheel `openvto` 0.1.7 (MIT). An environment of its own is needed,
Python 3.12 at most: requirements/tools-checks.txt. OUT gets the photographs, the results as JPEG and `cases.json`.

A right result is a garment's photograph, bent by a thin-plate spline onto the region where the model wears one, and
shaded by the folds below. Then it is rendered as a service would: `keep` leaves all else as it is, `regen` sends the
whole picture through a lossy bottleneck and shifts its tone, `pose` moves the person a little besides. A wrong result
has one fault of `FAULTS`. Pictures are arrays of BGR; points are pixels (x, y).
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from random import Random

import cv2
import mediapipe as mp
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator
from scipy.spatial import Delaunay

Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Points = NDArray[np.float64]

PLACES_A_KIND = 104
"""Wrong results of each kind; there are 120 places of a model and a garment."""

RENDERINGS = ("keep", "regen", "pose")

_SHOULDERS, _ELBOWS, _WRISTS, _HIPS, _KNEES, _ANKLES = (11, 12), (13, 14), (15, 16), (23, 24), (25, 26), (27, 28)
_FINGERS, _MOUTH, _EARS = (19, 20), (9, 10), (7, 8)
_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150,
    136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
_FACE_POINTS = sorted({*_OVAL, *range(0, 468, 7), 33, 133, 159, 145, 263, 362, 386, 374, 1, 4, 61, 291, 13, 14, 17})


# ------------------------------------------------------------------ people and garments


@dataclass(frozen=True, eq=False)
class Person:
    """A photograph with the joints and the points of the face that mediapipe finds, and the body's regions."""

    name: str
    picture: Picture
    joints: Points
    face: Points
    body: Mask
    upper: Mask
    lower: Mask
    arms: Mask
    oval: Mask

    @property
    def torso(self) -> float:
        """From the middle of the shoulders to that of the hips, in pixels."""
        return float(np.linalg.norm(self.middle(_SHOULDERS) - self.middle(_HIPS)))

    @property
    def face_width(self) -> float:
        """In pixels."""
        return float(np.ptp(self.face[:, 0]))

    def middle(self, pair: Sequence[int]) -> Points:
        """The middle of some joints."""
        found: Points = self.joints[list(pair)].mean(0)
        return found

    @property
    def who(self) -> str:
        """The person in the photograph: each has two."""
        return self.name[-1]


def person(name: str, picture: Picture) -> Person:
    """Find body, joints and face."""
    height, width = picture.shape[:2]
    with mp.solutions.pose.Pose(static_image_mode=True, model_complexity=1, enable_segmentation=True) as pose:
        found = pose.process(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
    joints = np.array([(one.x * width, one.y * height) for one in found.pose_landmarks.landmark])
    body = cv2.GaussianBlur((found.segmentation_mask > 0.4).astype(np.float32), (0, 0), 1.5) > 0.5
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    shoulders, hips = joints[list(_SHOULDERS)].mean(0), joints[list(_HIPS)].mean(0)
    torso = float(np.linalg.norm(shoulders - hips))

    def near(start: Points, end: Points, reach: float) -> Mask:
        along = end - start
        share = ((columns - start[0]) * along[0] + (rows - start[1]) * along[1]) / max(1.0, float(along @ along))
        share = np.clip(share, 0, 1)
        close: Mask = np.hypot(columns - start[0] - share * along[0], rows - start[1] - share * along[1]) < reach
        return close

    hands, arms = np.zeros_like(body), np.zeros_like(body)
    for elbow, wrist in zip(_ELBOWS, _WRISTS, strict=True):
        reach = joints[wrist] - joints[elbow]
        reach = reach / np.linalg.norm(reach)
        hands |= near(joints[wrist] + 0.05 * torso * reach, joints[wrist] + 0.42 * torso * reach, 0.16 * torso)
        arms |= near(joints[elbow], joints[wrist], 0.13 * torso)
    neck = shoulders[1] - 0.42 * (shoulders[1] - joints[list(_MOUTH)].mean(0)[1])
    ankles = min(float(joints[list(_ANKLES), 1].min()), height)
    upper = body & (rows > neck) & (rows < hips[1] + 0.1 * torso) & ~hands
    lower = body & (rows > hips[1] - 0.08 * torso) & (rows < ankles - 0.02 * torso) & ~hands & ~arms
    face = _face(picture, joints, torso)
    oval = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(oval, cv2.convexHull(face[list(_OVAL)].astype(np.int32)), 1)
    return Person(name, picture, joints, face, body, upper, lower, arms & upper, oval > 0)


def _face(picture: Picture, joints: Points, torso: float) -> Points:
    """The face's 468 points, found in an enlarged part of the picture."""
    height, width = picture.shape[:2]
    middle = joints[[0, *_EARS, *_MOUTH]].mean(0)
    reach = 1.6 * max(float(np.linalg.norm(joints[_EARS[0]] - joints[_EARS[1]])), 0.12 * torso)
    left, top = (max(0, int(one - reach)) for one in middle)
    right, bottom = min(width, int(middle[0] + reach)), min(height, int(middle[1] + reach))
    scale = 480 / (bottom - top)
    part = cv2.resize(picture[top:bottom, left:right], None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    with mp.solutions.face_mesh.FaceMesh(static_image_mode=True, min_detection_confidence=0.2) as mesh:
        found = mesh.process(cv2.cvtColor(part, cv2.COLOR_BGR2RGB)).multi_face_landmarks[0].landmark
    return np.array([(left + one.x * (right - left), top + one.y * (bottom - top)) for one in found])


@dataclass(frozen=True, eq=False)
class Garment:
    """A photograph, where the garment is in it, and how it is worn: `sleeves` long or short, or `trousers`."""

    name: str
    picture: Picture
    mask: Mask
    cut: str

    @property
    def kind(self) -> str:
        """The project's garment type."""
        return "lower" if self.cut == "trousers" else "upper"

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        rows, columns = np.where(self.mask)
        return columns.min(), rows.min(), columns.max(), rows.max()

    def changed(self, name: str, change: Callable[[Picture], Picture]) -> "Garment":
        """The same garment with other pixels."""
        picture = self.picture.copy()
        picture[self.mask] = change(self.picture)[self.mask]
        return Garment(name, picture, self.mask, self.cut)


def garment(name: str, picture: Picture, cut: str) -> Garment:
    """Part the garment from its ground."""
    small = cv2.resize(picture, (256, 256), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small, cv2.COLOR_BGR2LAB).astype(np.float32)
    border = np.concatenate([lab[:8].reshape(-1, 3), lab[-8:].reshape(-1, 3), lab[:, :8].reshape(-1, 3)])
    apart = np.linalg.norm(lab - np.median(border, 0), axis=2)
    marks = np.full((256, 256), cv2.GC_PR_BGD, np.uint8)
    marks[apart > 9] = cv2.GC_PR_FGD
    marks[apart > 25] = cv2.GC_FGD
    marks[40:200, 105:150] = cv2.GC_FGD
    marks[:6] = marks[-6:] = cv2.GC_BGD
    marks[:, :6] = marks[:, -6:] = cv2.GC_BGD
    cv2.grabCut(small, marks, None, np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_MASK)
    found = np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    _, labels, sizes, _ = cv2.connectedComponentsWithStats(found)
    largest = (labels == 1 + np.argmax(sizes[1:, cv2.CC_STAT_AREA])).astype(np.uint8)
    whole = cv2.resize(255 * largest, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return Garment(name, picture, cv2.erode(whole, np.ones((15, 15), np.uint8)) > 127, cut)


_ANCHORS: Mapping[str, Sequence[tuple[float, float]]] = {
    "long": ((-0.22, 0.10), (-0.40, 0.45), (-0.45, 0.93), (-0.26, 0.42), (-0.25, 0.97), (-0.12, 0.03), (-0.25, 0.70)),
    "short": ((-0.24, 0.08), (-0.44, 0.30), (-0.60, 0.75), (-0.26, 0.45), (-0.26, 0.97), (-0.11, 0.02), (-0.26, 0.72)),
    "trousers": (
        (-0.36, 0.02), (-0.42, 0.30), (-0.44, 0.62), (-0.42, 0.97), (-0.14, 0.97), (-0.10, 0.60), (-0.02, 0.32),
    ),
}  # fmt: skip
"""Places of a garment's left half in its box: x from the middle in widths, y from the top in heights."""


def _of_garment(one: Garment) -> Points:
    left, top, right, bottom = one.box
    half = [((left + right) / 2, x * (right - left), top + y * (bottom - top)) for x, y in _ANCHORS[one.cut]]
    return np.array([(middle + x, y) for middle, x, y in half] + [(middle - x, y) for middle, x, y in half])


def _of_person(one: Person, cut: str) -> Points:
    """Where the garment's places are on the body, the picture's left half first."""
    torso, joints = one.torso, one.joints
    facing = joints[_SHOULDERS[0], 0] > joints[_SHOULDERS[1], 0]
    found: list[Points] = []
    for side, sign in ((1, -1), (0, 1)) if facing else ((0, -1), (1, 1)):
        shoulder, elbow, wrist = (joints[pair[side]] for pair in (_SHOULDERS, _ELBOWS, _WRISTS))
        hip, knee, ankle = (joints[pair[side]] for pair in (_HIPS, _KNEES, _ANKLES))
        ankle = np.array([ankle[0], min(ankle[1], one.picture.shape[0])])

        def beside(place: Points, x: float, y: float, sign: int = sign) -> Points:
            return place + torso * np.array([sign * x, y])

        if cut == "trousers":
            middle = one.middle(_HIPS)
            found += [beside(hip, 0.16, -0.08), beside(hip, 0.22, 0.3), beside(knee, 0.13, 0), beside(ankle, 0.1, 0)]
            found += [beside(ankle, -0.09, 0), beside(knee, -0.09, 0), beside(middle, 0.02, 0.32)]
        else:
            neck = beside(one.middle(_SHOULDERS), 0.16, -0.1)
            found += [beside(shoulder, 0.06, -0.06), beside(elbow, 0.08, 0), beside(wrist, 0.06, 0)]
            found += [beside(shoulder, 0, 0.38), beside(hip, 0.17, 0.1), neck]
            found.append(beside((shoulder + hip) / 2, 0.1, 0.2))
    return np.array(found)


_STEP = 12


def wear(one: Person, worn: Garment, random: Random, region: Mask | None = None) -> Picture:
    """The person in the garment: its photograph bent onto the region, shaded by the folds that were there."""
    if region is None:
        region = one.lower if worn.cut == "trousers" else one.upper
    height, width = one.picture.shape[:2]
    spline = RBFInterpolator(_of_person(one, worn.cut), _of_garment(worn), kernel="thin_plate_spline", smoothing=5)
    rows, columns = np.mgrid[0 : height + _STEP : _STEP, 0 : width + _STEP : _STEP]
    coarse = spline(np.c_[columns.ravel(), rows.ravel()]).reshape(*columns.shape, 2).astype(np.float32)
    whole = (columns.shape[1] * _STEP, columns.shape[0] * _STEP)
    place = cv2.resize(coarse, whole, interpolation=cv2.INTER_LINEAR)[:height, :width]
    cloth = cv2.remap(_without_ground(worn), place[..., 0], place[..., 1], cv2.INTER_LINEAR)
    if worn.cut == "short":
        inside = cv2.remap(worn.mask.astype(np.float32), place[..., 0], place[..., 1], cv2.INTER_LINEAR) > 0.5
        cloth[one.arms & ~inside] = np.median(one.picture[one.oval], 0)
    light = cv2.cvtColor(one.picture, cv2.COLOR_BGR2GRAY).astype(np.float32) + 8
    spread = 0.05 * one.torso
    around = cv2.GaussianBlur(light * region, (0, 0), spread)
    around /= cv2.GaussianBlur(region.astype(np.float32), (0, 0), spread) + 1e-3
    shade = cv2.GaussianBlur(np.clip(light / (around + 8), 0.72, 1.28), (0, 0), 1.2)[..., None]
    gain = random.uniform(0.86, 1.02) * np.array([random.uniform(0.97, 1.03), 1, random.uniform(0.97, 1.03)])
    return _laid(one.picture, cloth * shade * gain, region, 1.6)


def _without_ground(worn: Garment) -> Picture:
    """The photograph with the nearest pixel of the garment wherever there is none."""
    _, labels = cv2.distanceTransformWithLabels(
        (~worn.mask).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    rows, columns = np.where(worn.mask)
    nearest = np.zeros(labels.max() + 1, int)
    nearest[labels[rows, columns]] = np.arange(len(rows))
    found: Picture = worn.picture[rows[nearest[labels]], columns[nearest[labels]]]
    return found


def _laid(below: Picture, above: NDArray[np.float64] | Picture, mask: Mask, soft: float) -> Picture:
    """One picture over another where the mask is, with soft edges."""
    share = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), soft)[..., None]
    return _pixels(below * (1 - share) + np.clip(above, 0, 255) * share)


def _picture(found: Picture) -> Picture:
    return found


def _pixels(values: NDArray[np.float64]) -> Picture:
    return np.clip(values, 0, 255).astype(np.uint8)


# ------------------------------------------------------------------ what a service does to a right result


@dataclass(frozen=True, eq=False)
class Scene:
    """A place of the run: the person in the garment, and what faults are made of."""

    person: Person
    garment: Garment
    right: Picture
    people: Sequence[Person]
    wardrobe: Sequence[Garment]
    random: Random
    noise: np.random.Generator

    def rendered(self, picture: Picture, how: str) -> Picture:
        """As a service returns it."""
        height, width = picture.shape[:2]
        if how == "keep":
            scale = self.random.choice((1, 1, 1.25))
            if scale == 1:
                return picture
            larger = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_LANCZOS4)
            return _sharper(larger, 0.25, 1.2)
        if how == "pose":
            picture = self._moved(picture)
        picture = self._toned(self._squeezed(self._bent(picture, self.random.uniform(0.5, 1.1), 48)))
        if self.random.random() < 0.5:  # services round sides to 64
            height, width = 64 * round(height / 64), 64 * round(width / 64)
        return _picture(cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC))

    def _bent(self, picture: Picture, most: float, cell: int) -> Picture:
        """Moved by a few pixels here and there."""
        height, width = picture.shape[:2]
        small = self.noise.normal(0, 1, (height // cell + 3, width // cell + 3, 2)).astype(np.float32)
        moved = most * cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
        return _remapped(picture, moved[..., 0], moved[..., 1])

    def _squeezed(self, picture: Picture) -> Picture:
        """Through a bottleneck, as an autoencoder does: detail is lost and made up."""
        height, width = picture.shape[:2]
        share = self.random.choice((0.45, 0.55, 0.65))
        small = cv2.resize(picture, (int(width * share), int(height * share)), interpolation=cv2.INTER_AREA)
        back = cv2.resize(cv2.bilateralFilter(small, 5, 12, 3), (width, height), interpolation=cv2.INTER_CUBIC)
        return _pixels(_sharper(back, 0.35, 1.6) + self.noise.normal(0, 1.2, back.shape))

    def _toned(self, picture: Picture) -> Picture:
        gamma, gain = self.random.uniform(0.93, 1.07), self.random.uniform(0.96, 1.04)
        balance = np.array([self.random.uniform(0.98, 1.02) for _ in range(3)])
        return _pixels(255 * (picture / 255) ** gamma * gain * balance)

    def _moved(self, picture: Picture) -> Picture:
        """Head, arms and hips moved by about 2 % of the torso."""
        one = self.person
        rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float32)
        across, down = np.zeros_like(columns), np.zeros_like(rows)
        places = (one.middle(_MOUTH), one.joints[_ELBOWS[0]], one.joints[_ELBOWS[1]], one.middle(_HIPS))
        for place, reach, much in zip(places, (0.55, 0.5, 0.5, 0.6), (1.0, 1.2, 1.2, 0.8), strict=True):
            apart = (columns - place[0]) ** 2 + (rows - place[1]) ** 2
            weight = np.exp(-apart / (2 * (reach * one.torso) ** 2)).astype(np.float32)
            across += weight * np.float32(self.noise.normal(0, 0.02 * much * one.torso))
            down += weight * np.float32(self.noise.normal(0, 0.01 * much * one.torso))
        return _remapped(picture, across, down)

    @property
    def other(self) -> Person:
        """Someone else."""
        return self.random.choice([one for one in self.people if one.who != self.person.who])

    @cached_property
    def other_garment(self) -> Garment:
        """Another garment of the run, of the same type; not the same cut in another colour."""
        alike = [one for one in self.wardrobe if one.kind == self.garment.kind]
        return self.random.choice([one for one in alike if one.name.split(" ")[0] != self.garment.name.split(" ")[0]])


def _remapped(picture: Picture, across: NDArray[np.float32], down: NDArray[np.float32]) -> Picture:
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float32)
    return _picture(cv2.remap(picture, columns + across, rows + down, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT))


def _sharper(picture: Picture, much: float, radius: float) -> Picture:
    return _pixels(picture * (1 + much) - much * cv2.GaussianBlur(picture, (0, 0), radius).astype(np.float64))


# ------------------------------------------------------------------ faults


def _warped(picture: Picture, source: Points, target: Points) -> Picture:
    """The picture with its points moved, triangle by triangle."""
    out = picture.astype(np.float32)
    for corners in Delaunay(target).simplices:
        before, after = source[corners].astype(np.float32), target[corners].astype(np.float32)
        left, top = np.maximum(np.floor(after.min(0)).astype(int), 0)
        right, bottom = np.minimum(np.ceil(after.max(0)).astype(int) + 1, picture.shape[1::-1])
        if right <= left or bottom <= top:
            continue
        start = np.array([left, top], np.float32)
        matrix = cv2.getAffineTransform(after - start, before)
        size = (int(right - left), int(bottom - top))
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        patch = cv2.warpAffine(picture, matrix, size, flags=flags, borderMode=cv2.BORDER_REFLECT).astype(np.float32)
        share = np.zeros(size[::-1], np.float32)
        cv2.fillConvexPoly(share, np.round((after - start) * 16).astype(np.int32), 1, cv2.LINE_AA, 4)
        part = out[top:bottom, left:right]
        out[top:bottom, left:right] = part * (1 - share[..., None]) + patch * share[..., None]
    return _pixels(out.astype(np.float64))


def _held(one: Person, points: Points) -> Points:
    """The points with a ring around the face, which stays where it is."""
    height = float(np.ptp(one.face[:, 1]))
    turns = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    ring = one.face.mean(0) + np.c_[1.1 * one.face_width * np.cos(turns), 1.05 * height * np.sin(turns)]
    found: Points = np.r_[points, ring]
    return found


def _drifted(scene: Scene, share: float) -> Picture:
    """The face on its way to another person's, in form and in pixels: 0 is its own, 1 the other's."""
    one, other = scene.person, scene.other
    own, theirs = one.face[_FACE_POINTS], other.face[_FACE_POINTS]
    matrix, _ = cv2.estimateAffinePartial2D(theirs.astype(np.float32), own.astype(np.float32))
    laid = theirs @ matrix[:, :2].T + matrix[:, 2]
    target = (1 - share) * own + share * laid
    height, width = scene.right.shape[:2]
    brought = cv2.warpAffine(
        other.picture, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    ours = _warped(scene.right, _held(one, own), _held(one, target))
    theirs_ = _warped(brought, _held(one, laid), _held(one, target))
    mask = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(target.astype(np.int32)), 1)
    mask = cv2.erode(mask, np.ones((3, 3)), iterations=max(1, int(0.03 * one.face_width)))
    toned = _like(theirs_, ours, mask > 0)
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), max(1.0, 0.03 * one.face_width))[..., None] * share
    return _pixels(ours * (1 - soft) + toned * soft)


def _like(picture: Picture, pattern: Picture, mask: Mask) -> Picture:
    """The picture with the colours of another one within the mask."""
    lab, want = (cv2.cvtColor(one, cv2.COLOR_BGR2LAB).astype(np.float32) for one in (picture, pattern))
    scale = np.clip(want[mask].std(0) / (lab[mask].std(0) + 1e-3), 0.6, 1.6)
    return _picture(cv2.cvtColor(_pixels((lab - lab[mask].mean(0)) * scale + want[mask].mean(0)), cv2.COLOR_LAB2BGR))


def _head(one: Person) -> Mask:
    rows, columns = np.mgrid[: one.picture.shape[0], : one.picture.shape[1]]
    shoulders, mouth = one.middle(_SHOULDERS)[1], one.middle(_MOUTH)[1]
    near = np.abs(columns - one.face[:, 0].mean()) < 1.3 * one.face_width
    found: Mask = one.body & (rows < shoulders - 0.25 * (shoulders - mouth)) & near
    return found


def _head_swapped(scene: Scene) -> Picture:
    one, other = scene.person, scene.other
    points = [people.face[_FACE_POINTS].astype(np.float32) for people in (other, one)]
    matrix, _ = cv2.estimateAffinePartial2D(*points)
    height, width = scene.right.shape[:2]
    brought = cv2.warpAffine(other.picture, matrix, (width, height), flags=cv2.INTER_AREA)
    head = cv2.warpAffine(_head(other).astype(np.uint8), matrix, (width, height)) > 0
    own = cv2.dilate(_head(one).astype(np.uint8), np.ones((9, 9)))
    quarter = (width // 4, height // 4)
    hole = cv2.resize(own, quarter, interpolation=cv2.INTER_NEAREST)
    ground = cv2.resize(cv2.inpaint(cv2.resize(scene.right, quarter), hole, 4, cv2.INPAINT_TELEA), (width, height))
    return _laid(_laid(scene.right, ground, own > 0, 2), brought, head, 1.5)


def _face_recoloured(scene: Scene) -> Picture:
    lab = cv2.cvtColor(scene.right, cv2.COLOR_BGR2LAB).astype(np.float64)
    shift = np.array([scene.random.choice((-14, 12)), 7, scene.random.choice((-8, 9))])
    return _laid(scene.right, cv2.cvtColor(_pixels(lab + shift), cv2.COLOR_LAB2BGR), scene.person.oval, 4)


def _face_smoothed(scene: Scene) -> Picture:
    soft = cv2.GaussianBlur(scene.right, (0, 0), 0.055 * scene.person.face_width)
    return _laid(scene.right, soft, scene.person.oval, 3)


def _wrong_garment(scene: Scene) -> Picture:
    return wear(scene.person, scene.other_garment, scene.random)


def _wrong_part(scene: Scene) -> Picture:
    one, own = scene.person, scene.garment
    if own.kind == "upper":
        trousers = [other for other in scene.wardrobe if other.kind == "lower"]
        return wear(one, scene.random.choice(trousers), scene.random)
    return wear(one, Garment(own.name, own.picture, own.mask, "long"), scene.random)


def _texture_lost(scene: Scene) -> Picture:
    def flat(picture: Picture) -> Picture:
        middle = np.median(picture[scene.garment.mask], 0)
        return _pixels(0.7 * middle + 0.3 * cv2.GaussianBlur(picture, (0, 0), 40).astype(np.float64))

    return wear(scene.person, scene.garment.changed("flat", flat), scene.random)


def _background_replaced(scene: Scene) -> Picture:
    height, width = scene.right.shape[:2]
    ground = cv2.resize(cv2.GaussianBlur(scene.other.picture, (0, 0), 6), (width, height))
    return _laid(ground, scene.right, scene.person.body, 1.5)


def _object_added(scene: Scene) -> Picture:
    picture = scene.right.copy()
    height, width = picture.shape[:2]
    side = int(0.14 * width)
    left = int(width * (0.06 if scene.person.middle(_HIPS)[0] > width / 2 else 0.8))
    top = int(height * scene.random.uniform(0.45, 0.65))
    picture[top : top + side, left : left + side] = cv2.resize(scene.garment.picture, (side, side))
    return picture


def _cropped(scene: Scene) -> Picture:
    height, width = scene.right.shape[:2]
    share = scene.random.uniform(0.06, 0.12)
    top, bottom = int(height * share * scene.random.random()), int(height * (1 - 0.5 * share))
    return scene.right[top:bottom, int(0.6 * width * share) : int(width * (1 - 0.6 * share))]


def _zoomed(scene: Scene) -> Picture:
    return _picture(cv2.resize(_cropped(scene), scene.right.shape[1::-1], interpolation=cv2.INTER_CUBIC))


def _stretched(scene: Scene) -> Picture:
    height, width = scene.right.shape[:2]
    return _picture(cv2.resize(scene.right, (int(width * scene.random.choice((1.12, 0.88))), height)))


def _shifted(scene: Scene) -> Picture:
    height, width = scene.right.shape[:2]
    down = int(0.06 * height)
    picture = np.roll(scene.right, (down, int(0.05 * width)), (0, 1))
    picture[:down] = picture[down]
    return picture


def _cut_off(scene: Scene) -> Picture:
    picture = scene.right.copy()
    picture[int(picture.shape[0] * scene.random.uniform(0.4, 0.7)) :] = 128
    return picture


def _blank(scene: Scene) -> Picture:
    if scene.random.random() < 0.75:
        return np.full_like(scene.right, scene.random.choice((0, 255, 128)))
    page = np.full((1024, 768, 3), 235, np.uint8)
    cv2.putText(page, "Content not available", (90, 500), 0, 1.4, (60, 60, 60), 3)
    return page


OTHER_GARMENT = "another garment"

FAULTS: Mapping[str, tuple[Callable[[Scene], Picture], Sequence[str]]] = {
    "blank": (_blank, ("",)),
    "cut off": (_cut_off, ("keep", "regen")),
    "blurred": (lambda scene: cv2.GaussianBlur(scene.right, (0, 0), scene.random.uniform(4, 8)), ("keep",)),
    "cropped": (_cropped, ("keep", "regen")),
    "stretched": (_stretched, ("keep", "regen")),
    "zoomed": (_zoomed, ("keep", "regen")),
    "shifted": (_shifted, ("keep", "regen")),
    "nothing applied": (lambda scene: scene.person.picture, RENDERINGS),
    "head swapped": (_head_swapped, RENDERINGS),
    "face swapped": (lambda scene: _drifted(scene, 1.0), RENDERINGS),
    "face drifted by half": (lambda scene: _drifted(scene, 0.5), RENDERINGS),
    "face recoloured": (_face_recoloured, RENDERINGS),
    "face smoothed": (_face_smoothed, RENDERINGS),
    "background replaced": (_background_replaced, RENDERINGS),
    "object added": (_object_added, RENDERINGS),
    OTHER_GARMENT: (_wrong_garment, RENDERINGS),
    "wrong part of the body": (_wrong_part, RENDERINGS),
    "texture lost": (_texture_lost, RENDERINGS),
}
"""By kind: what makes the fault, and the renderings that follow it; empty for none."""


# ------------------------------------------------------------------ all of them


def people_of(assets: Path) -> list[Person]:
    """Four people, each in a photograph and in one that was drawn after it."""
    files = {f"real{n}": assets / f"people/{n}_posture.jpg" for n in range(1, 5)}
    files |= {f"studio{n}": assets / f"avatars/{n}.png" for n in range(1, 5)}
    return [person(name, cv2.imread(str(path))) for name, path in files.items()]


def wardrobe_of(assets: Path) -> list[Garment]:
    """Eleven garments, and four of them in another colour: eleven upper ones and four trousers."""

    def read(name: str, file: str, cut: str) -> Garment:
        return garment(name, cv2.imread(str(assets / "clothes" / file)), cut)

    found = [read(f"jacket{n}", f"jackets/{n}_front.jpg", "long") for n in range(1, 5)]
    found.append(read("shirt1", "shirts/1_front.jpg", "long"))
    found += [read(f"shirt{n}", f"shirts/{n}_front.jpg", "short") for n in range(2, 5)]
    found += [read(f"trousers{n}", f"pants/{n}_front.jpg", "trousers") for n in range(1, 4)]

    def hue(picture: Picture) -> Picture:
        hsv = cv2.cvtColor(picture, cv2.COLOR_BGR2HSV).astype(np.int32)
        hsv[..., 0] = (hsv[..., 0] + 55) % 180
        hsv[..., 1] = np.clip(hsv[..., 1] + 60, 0, 255)
        return _picture(cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2BGR))

    return found + [one.changed(f"{one.name} recoloured", hue) for one in (found[0], found[2], found[5], found[9])]


@dataclass
class Folder:
    """Where the pictures go, and the list of what they are."""

    path: Path
    cases: list[dict[str, object]] = field(default_factory=list)

    def keep(self, picture: Picture, scene: Scene, fault: str | None, rendering: str) -> None:
        """Write one result."""
        name = f"{len(self.cases):05d}.jpg"
        self.write(name, picture)
        self.cases.append(
            {
                "file": name,
                "model": scene.person.name,
                "person": scene.person.who,
                "garment": scene.garment.name,
                "type": scene.garment.kind,
                "rendering": rendering,
                "fault": fault,
                "shows": scene.other_garment.name if fault == OTHER_GARMENT else None,
            }
        )

    def write(self, name: str, picture: Picture) -> None:
        """Write one picture."""
        cv2.imwrite(str(self.path / name), picture, [cv2.IMWRITE_JPEG_QUALITY, 95])


def main() -> int:
    """Make them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("assets", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--each", type=int, default=PLACES_A_KIND, help="wrong results a kind (%(default)s)")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    folder, random, noise = Folder(options.out), Random(options.seed), np.random.default_rng(options.seed)
    people, wardrobe = people_of(options.assets), wardrobe_of(options.assets)
    for one in people:
        folder.write(f"model {one.name}.jpg", one.picture)
    for worn in wardrobe:
        folder.write(f"garment {worn.name}.jpg", worn.picture)
    places = [(one, worn) for one in people for worn in wardrobe]
    # Each kind at other places, so that a place has as many faults as any.
    shuffled = {fault: random.sample(places, len(places)) for fault in FAULTS}
    for number, (one, worn) in enumerate(places, start=1):
        right = wear(one, worn, random)
        scene = Scene(one, worn, right, people, wardrobe, random, noise)
        for how in RENDERINGS:
            # Right ones are worn anew: light and balance differ from picture to picture.
            folder.keep(scene.rendered(wear(one, worn, random), how), scene, None, how)
        for fault, (make, ways) in FAULTS.items():
            if (one, worn) in shuffled[fault][: options.each]:
                how = random.choice(ways)
                made = make(scene)
                folder.keep(scene.rendered(made, how) if how else made, scene, fault, how or "regen")
        print(f"{number} of {len(places)}: {len(folder.cases)} pictures", flush=True)
        (options.out / "cases.json").write_text(json.dumps(folder.cases, indent=0))
    return 0


if __name__ == "__main__":
    sys.exit(main())

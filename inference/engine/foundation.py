"""Large models as providers, from a local folder; nothing is downloaded when they run.

SAM 2's automatic masks ask it about a grid of points; with Grounding DINO it is asked about boxes that were
found by the names of the label classes. Either follows what it found with SAM 2's memory.

    FOLDER/sam2             config.json and model.safetensors of a SAM 2 or 2.1, as `transformers` saves them
    FOLDER/grounding-dino   the same of a Grounding DINO, and its tokenizer; for masks with names

Pictures are made ready here, as the models' cards say: `transformers`' own code for it needs torchvision.

H x W are a picture's pixels, S the side of the square that SAM 2 looks at, P prompts, T tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from inference.engine.carrying import Carrier, LabelMap, Picture
from inference.engine.proposals import Proposal, without_doubles
from inference.geometric.frames import PreparedFrame
from inference.sam4d.runtime import best_runtime

SAM2, GROUNDING_DINO = "sam2", "grounding-dino"
_MEAN, _STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])  # ImageNet's, RGB
_SHORT_PX, _LONG_PX = 800, 1333  # Grounding DINO's pictures: the sides at most
_GRID = 32  # points across a picture
_AT_ONCE = 64  # prompts
_LEAST_IOU, _LEAST_STABILITY, _OFFSET = 0.8, 0.92, 1.0  # of automatic masks
_LEAST_BOX, _LEAST_WORD = 0.3, 0.25  # of a box, of its name
_LEAST_PX = 40
_MOST_FOLLOWED = 128  # masks of a key frame whose memory is kept; the largest


class MissingModel(ValueError):
    """A folder does not hold the model that was asked for."""


def open_model(folder: Path, name: str, kind: str) -> Any:
    """A model of `transformers` in FOLDER/name. Raises MissingModel."""
    place = folder / name
    if not (place / "config.json").is_file():
        raise MissingModel(
            f"{place} has no config.json. Put the files of a {name} model there, as its authors publish "
            "them for transformers: config.json, model.safetensors and, for a text model, its tokenizer"
        )
    try:
        import transformers
    except ImportError as error:
        raise MissingModel(
            f"{name} needs the package transformers; install the extra 'engine'"
        ) from error
    transformers.utils.logging.disable_progress_bar()
    runtime = best_runtime()
    # safetensors alone: nothing is unpickled.
    model = getattr(transformers, kind).from_pretrained(
        place, local_files_only=True, use_safetensors=True
    )
    return model.to(runtime.device).eval()


class _Sam2:
    """SAM 2 on single pictures."""

    def __init__(self, folder: Path) -> None:
        self._model = open_model(folder, SAM2, "Sam2Model")
        self.side = int(self._model.config.prompt_encoder_config.image_size)

    def look(self, picture: Picture) -> Any:
        """What it remembers of a picture, to be asked about it."""
        import torch

        with torch.inference_mode():
            return self._model.get_image_embeddings(
                square(picture, self.side).to(self._model.device)
            )

    def masks(
        self, seen: Any, picture: Picture, *, points: npt.NDArray[np.float64] | None = None,
        boxes: npt.NDArray[np.float64] | None = None,
    ) -> tuple[Any, Any]:  # fmt: skip
        """points: [P, 2] or boxes: [P, 4], px of the picture.

        Returns logits [P, M, s, s] and the predicted IoU [P, M]; M is 3 for points, 1 for boxes.
        """
        import torch

        scale = np.array([self.side / picture.shape[1], self.side / picture.shape[0]])
        asked: dict[str, Any] = {}
        if points is not None:
            asked["input_points"] = torch.tensor(points * scale, dtype=torch.float32)[None, :, None]
            asked["input_labels"] = torch.ones((1, len(points), 1), dtype=torch.int32)
        if boxes is not None:
            asked["input_boxes"] = torch.tensor(boxes * np.tile(scale, 2), dtype=torch.float32)[
                None
            ]
        placed = {name: value.to(self._model.device) for name, value in asked.items()}
        with torch.inference_mode():
            answer = self._model(
                image_embeddings=list(seen), multimask_output=boxes is None, **placed
            )
        return answer.pred_masks[0].float(), answer.iou_scores[0].float()


def square(picture: Picture, side: int) -> Any:
    """[1, 3, S, S] float32: a picture as SAM 2 looks at it, stretched to a square."""
    import torch

    small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_LINEAR)[..., ::-1]
    ready = (small / 255.0 - _MEAN) / _STD
    return torch.from_numpy(ready.transpose(2, 0, 1)[None].astype(np.float32))


def _large(logits: Any, picture: Picture) -> npt.NDArray[np.bool_]:
    """[s, s] logits as a mask of the picture."""
    size = (picture.shape[1], picture.shape[0])
    return np.asarray(cv2.resize(logits.cpu().numpy(), size, interpolation=cv2.INTER_LINEAR) > 0)


def stability(logits: Any, offset: float = _OFFSET) -> Any:
    """[...] of logits [..., s, s]: how little a mask changes when its threshold does (IoU)."""
    inner = (logits > offset).sum((-1, -2))
    outer = (logits > -offset).sum((-1, -2))
    return inner / outer.clamp(min=1)


class Sam2Automatic:
    """Everything that SAM 2 sees, without names."""

    name = "sam2"

    def __init__(
        self, folder: Path, *, grid: int = _GRID, least_iou: float = _LEAST_IOU,
        least_stability: float = _LEAST_STABILITY,
    ) -> None:  # fmt: skip
        """Raises MissingModel."""
        self._sam2, self._grid = _Sam2(folder), grid
        self._least_iou, self._least_stability = least_iou, least_stability
        self.version = version_of(folder / SAM2)
        self.carrier = _carriers(folder)

    def propose(self, prepared: PreparedFrame, camera: str) -> list[Proposal]:
        picture = prepared.picture(camera)
        seen = self._sam2.look(picture)
        steps = (np.arange(self._grid) + 0.5) / self._grid
        u, v = np.meshgrid(steps * picture.shape[1], steps * picture.shape[0])
        points = np.column_stack([u.ravel(), v.ravel()])
        found = []
        for start in range(0, len(points), _AT_ONCE):
            logits, ious = self._sam2.masks(seen, picture, points=points[start : start + _AT_ONCE])
            logits, ious = logits.flatten(0, 1), ious.flatten()
            steady = stability(logits)
            good = (ious >= self._least_iou) & (steady >= self._least_stability)
            for k in good.nonzero().flatten().tolist():
                mask = _large(logits[k], picture)
                if mask.sum() >= _LEAST_PX:
                    found.append(Proposal(mask, min(1.0, float(ious[k] * steady[k]))))
        return without_doubles(found)


class GroundedSam2:
    """What Grounding DINO finds by the names of classes, with SAM 2's masks."""

    name = "grounded-sam2"

    def __init__(
        self, folder: Path, classes: Sequence[str], *, least_box: float = _LEAST_BOX,
        least_word: float = _LEAST_WORD,
    ) -> None:  # fmt: skip
        """classes: names to look for. Raises MissingModel, or ValueError without classes."""
        if not classes:
            raise ValueError(
                "Grounding DINO looks for the project's label classes, and there are none. Add classes, or "
                "choose another provider"
            )
        self._dino = open_model(folder, GROUNDING_DINO, "GroundingDinoForObjectDetection")
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(folder / GROUNDING_DINO, local_files_only=True)
        self._classes = tuple(classes)
        self._words = [
            Words(tokenizer, part) for part in parted(tokenizer, self._classes, self._most_tokens())
        ]
        self._sam2 = _Sam2(folder)
        self._least_box, self._least_word = least_box, least_word
        self.version = f"{version_of(folder / GROUNDING_DINO)}+{version_of(folder / SAM2)}"
        self.carrier = _carriers(folder)

    def _most_tokens(self) -> int:
        return int(self._dino.config.max_text_len)

    def propose(self, prepared: PreparedFrame, camera: str) -> list[Proposal]:
        picture = prepared.picture(camera)
        boxes, scores, names = self.boxes(picture)
        if not len(boxes):
            return []
        seen = self._sam2.look(picture)
        found = []
        for start in range(0, len(boxes), _AT_ONCE):
            logits, ious = self._sam2.masks(seen, picture, boxes=boxes[start : start + _AT_ONCE])
            for k, mask_logits in enumerate(logits[:, 0], start):
                mask = _large(mask_logits, picture)
                if mask.sum() >= _LEAST_PX:
                    iou = min(1.0, max(0.0, float(ious[k - start, 0])))
                    # A name that is half sure is a good one with these models.
                    score = iou * min(1.0, 0.5 + scores[k])
                    found.append(Proposal(mask, score, label_class=names[k]))
        return without_doubles(found)

    def boxes(
        self, picture: Picture
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], list[str]]:
        """[P, 4] px u0, v0, u1, v1; [P] scores; P names of classes."""
        import torch

        height, width = picture.shape[:2]
        scale = min(_SHORT_PX / min(height, width), _LONG_PX / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)[..., ::-1]
        ready = ((small / 255.0 - _MEAN) / _STD).transpose(2, 0, 1)[None].astype(np.float32)
        pixels = torch.from_numpy(ready).to(self._dino.device)
        found, scores, names = [np.zeros((0, 4))], [np.zeros(0)], []
        for words in self._words:
            tokens = {name: value.to(self._dino.device) for name, value in words.tokens.items()}
            with torch.inference_mode():
                answer = self._dino(pixel_values=pixels, **tokens)
            said = words.of_classes(answer.logits[0].float().sigmoid().cpu().numpy())
            best = said.max(axis=1)
            kept = best >= max(self._least_box, self._least_word)
            middle = answer.pred_boxes[0].float().cpu().numpy()[kept].astype(np.float64)
            half = middle[:, 2:] / 2
            corners = np.concatenate([middle[:, :2] - half, middle[:, :2] + half], axis=1)
            found.append(np.clip(corners, 0, 1) * np.array([width, height, width, height]))
            scores.append(best[kept].astype(np.float64))
            names += [words.classes[k] for k in said[kept].argmax(axis=1).tolist()]
        return np.concatenate(found), np.concatenate(scores), names


class Words:
    """Names of classes as the text that Grounding DINO reads, and which tokens are whose."""

    def __init__(self, tokenizer: Any, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        text, ends = "", []
        for name in classes:
            text += f"{_plain(name)}. "
            ends.append(len(text))
        encoded = tokenizer(text.strip(), return_tensors="pt", return_offsets_mapping=True)
        places = encoded.pop("offset_mapping")[0].numpy()
        self.tokens = dict(encoded)
        owner = np.searchsorted(ends, places[:, 0], side="right")
        # Not the marks at both ends, nor the dots between names.
        is_word = (places[:, 1] > places[:, 0]) & np.array(
            [text[first:last].strip() not in (".", "") for first, last in places.tolist()]
        )
        self.own = [np.flatnonzero((owner == k) & is_word) for k in range(len(classes))]

    def of_classes(self, said: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """[P, T] what each token has -> [P, classes] the most that a word of a class has."""
        return np.stack(
            [said[:, own].max(axis=1) if len(own) else np.zeros(len(said)) for own in self.own],
            axis=1,
        )


def _plain(name: str) -> str:
    """As people write it: dots end names, underscores are blanks."""
    return " ".join(name.lower().replace("_", " ").replace(".", " ").split())


def parted(tokenizer: Any, classes: Sequence[str], most: int) -> list[list[str]]:
    """The classes in lists whose texts are no longer than the model reads at once."""
    parts: list[list[str]] = [[]]
    for name in classes:
        longer = [*parts[-1], name]
        length = len(tokenizer("".join(f"{_plain(each)}. " for each in longer))["input_ids"])
        if length > most and parts[-1]:
            parts.append([name])
        else:
            parts[-1] = longer
    return parts


def version_of(place: Path) -> str:
    """A name for what is in a folder: its config's hash and the size of its weights."""
    import hashlib

    digest = hashlib.sha256((place / "config.json").read_bytes()).hexdigest()[:8]
    size = sum(file.stat().st_size for file in place.glob("*.safetensors"))
    return f"{place.name}-{digest}-{size}"


# --- following -----------------------------------------------------------------------------------


def _carriers(folder: Path) -> Callable[[], Carrier]:
    model = open_model(folder, SAM2, "Sam2VideoModel")
    return lambda: Sam2Carrier(model)


class Sam2Carrier:
    """SAM 2's memory of what a key frame shows."""

    def __init__(self, model: Any) -> None:
        """model: a Sam2VideoModel; many carriers share it."""
        self._model = model
        self._side = int(model.config.prompt_encoder_config.image_size)
        self._session: Any = None
        self._map = np.zeros((0, 0), np.uint16)
        self._size: tuple[int, ...] = ()

    def begin(self, picture: Picture, map_: LabelMap) -> None:
        import torch
        from transformers import Sam2VideoInferenceSession

        self._map, self._size = map_, picture.shape
        cells = np.bincount(map_.ravel())
        largest = np.argsort(-cells[1:], kind="stable")[:_MOST_FOLLOWED] + 1
        numbers = [int(number) for number in largest if cells[number]]
        self._session = None
        if not numbers:
            return
        session = Sam2VideoInferenceSession(
            video_height=map_.shape[0], video_width=map_.shape[1],
            inference_device=self._model.device, inference_state_device=self._model.device,
            dtype=torch.float32,
        )  # fmt: skip
        for number in numbers:
            own = cv2.resize(
                (map_ == number).astype(np.float32), (self._side, self._side),
                interpolation=cv2.INTER_AREA,
            )  # fmt: skip
            index = session.obj_id_to_idx(number)
            session.add_mask_inputs(index, 0, torch.from_numpy(own >= 0.5)[None, None])
        session.obj_with_new_inputs = numbers
        with torch.inference_mode():
            self._model(inference_session=session, frame=square(picture, self._side))
        self._session = session

    def next(self, picture: Picture) -> LabelMap | None:
        import torch

        if picture.shape != self._size:
            return None
        if self._session is None:
            return np.zeros_like(self._map)
        with torch.inference_mode():
            answer = self._model(inference_session=self._session, frame=square(picture, self._side))
        height, width = self._map.shape
        best, map_ = np.zeros((height, width), np.float32), np.zeros((height, width), np.uint16)
        for number, logits in zip(answer.object_ids, answer.pred_masks, strict=True):
            said = cv2.resize(
                logits[0].float().cpu().numpy(), (width, height), interpolation=cv2.INTER_LINEAR
            )
            over = said > best
            best[over], map_[over] = said[over], number
        return map_

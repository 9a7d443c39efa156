"""The larger providers, with their real code and random weights; `transformers` itself is the second source."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from inference.engine import foundation  # noqa: E402
from inference.engine.foundation import (  # noqa: E402
    GroundedSam2,
    MissingModel,
    Sam2Automatic,
    Sam2Carrier,
    Words,
    open_model,
    parted,
    square,
    stability,
)
from inference.engine.providers import load_provider  # noqa: E402
from inference.geometric.frames import PreparedFrame, merged_cloud  # noqa: E402
from inference.world.drive import make_drive  # noqa: E402
from tests.inference.engine.tiny_models import (  # noqa: E402
    CLASSES,
    SIDE,
    save_grounding_dino,
    save_sam2,
)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    save_sam2(folder)
    return save_grounding_dino(folder)


@pytest.fixture(scope="module")
def frames():
    drive = make_drive(101, "tiny", 3, width_px=96)
    return [
        PreparedFrame(drive, drive.frames[i], merged_cloud(drive, drive.frames[i]))
        for i in range(3)
    ]


def picture_of(prepared):
    camera = prepared.cameras[0]
    return camera, prepared.picture(camera)


def test_a_picture_is_made_ready_by_the_numbers_of_image_net():
    picture = np.zeros((20, 30, 3), np.uint8)
    picture[..., 2] = 255  # red, as pictures here are BGR

    ready = square(picture, 8)

    assert ready.shape == (1, 3, 8, 8)
    np.testing.assert_allclose(ready[0, :, 3, 3], [(1 - 0.485) / 0.229, -0.456 / 0.224, -0.406 / 0.225],
                               rtol=1e-6)  # fmt: skip


def test_stability_is_the_overlap_of_a_smaller_and_a_larger_mask():
    logits = torch.tensor([[[2.0, 2.0, 0.5, -0.5], [-2.0, -2.0, -2.0, -2.0]]])

    # Two cells are above 1, four above -1.
    assert stability(logits, 1.0).tolist() == [0.5]


def test_what_is_asked_with_boxes_is_what_sam2_answers(models, frames):
    _, picture = picture_of(frames[0])
    height, width = picture.shape[:2]
    boxes = np.array([[10.0, 5.0, 50.0, 40.0], [0.0, 0.0, width, height]])
    sam2 = foundation._Sam2(models)

    logits, ious = sam2.masks(sam2.look(picture), picture, boxes=boxes)

    model = open_model(models, "sam2", "Sam2Model")
    scaled = boxes / [width, height, width, height] * SIDE
    with torch.inference_mode():
        expected = model(
            pixel_values=square(picture, SIDE),
            input_boxes=torch.tensor(scaled[None], dtype=torch.float32),
            multimask_output=False,
        )
    torch.testing.assert_close(logits, expected.pred_masks[0])
    torch.testing.assert_close(ious, expected.iou_scores[0])


def test_automatic_masks_pass_filters_and_no_two_are_the_same(models, frames):
    camera, picture = picture_of(frames[0])
    found = Sam2Automatic(models, grid=3, least_iou=-10.0, least_stability=0.0).propose(
        frames[0], camera
    )
    none = Sam2Automatic(models, grid=3, least_iou=10.0).propose(frames[0], camera)

    assert 1 <= len(found) <= 27
    for proposal in found:
        assert proposal.mask.shape == picture.shape[:2]
        assert proposal.label_class is None
    for i, one in enumerate(found):
        for other in found[i + 1 :]:
            inter, union = (one.mask & other.mask).sum(), (one.mask | other.mask).sum()
            assert inter / union < 0.8
    assert none == []


def test_a_word_is_its_classes_own(models):
    tokenizer = transformers.AutoTokenizer.from_pretrained(models / "grounding-dino")

    words = Words(tokenizer, CLASSES)

    # [CLS] car . traffic sign . person on foot . [SEP]
    assert words.tokens["input_ids"][0].tolist() == [2, 6, 5, 7, 8, 5, 9, 10, 11, 5, 3]
    assert [own.tolist() for own in words.own] == [[1], [3, 4], [6, 7, 8]]
    said = np.zeros((2, 16))
    said[0, 4], said[1, 1], said[1, 5] = 0.7, 0.4, 0.9  # the dot is nobody's
    assert words.of_classes(said).tolist() == [[0, 0.7, 0], [0.4, 0, 0]]


def test_classes_are_asked_for_in_as_many_texts_as_needed(models):
    tokenizer = transformers.AutoTokenizer.from_pretrained(models / "grounding-dino")

    assert parted(tokenizer, CLASSES, 7) == [["car", "traffic sign"], ["Person_on_foot"]]
    assert parted(tokenizer, CLASSES, 3) == [["car"], ["traffic sign"], ["Person_on_foot"]]


def test_boxes_are_those_of_grounding_dino_in_pixels(models, frames):
    camera, picture = picture_of(frames[0])
    height, width = picture.shape[:2]
    provider = GroundedSam2(models, CLASSES, least_box=0.0, least_word=0.0)

    boxes, scores, names = provider.boxes(picture)
    found = provider.propose(frames[0], camera)

    assert len(boxes) == 12 == len(scores) == len(names)
    assert set(names) <= set(CLASSES)
    assert (boxes[:, 2:] >= boxes[:, :2]).all()
    assert boxes.min() >= 0
    assert (boxes[:, [0, 2]] <= width).all()
    assert (boxes[:, [1, 3]] <= height).all()
    assert all(each.label_class in CLASSES and 0 <= each.score <= 1 for each in found)
    assert GroundedSam2(models, CLASSES, least_box=1.1).propose(frames[0], camera) == []


def test_masks_are_followed_as_sam2s_own_video_is(models, frames):
    pictures = [picture_of(prepared)[1] for prepared in frames]
    height, width = pictures[0].shape[:2]
    map_ = np.zeros((height, width), np.uint16)
    map_[5:30, 10:40], map_[35:50, 50:90] = 7, 3
    model = open_model(models, "sam2", "Sam2VideoModel")

    carrier = Sam2Carrier(model)
    carrier.begin(pictures[0], map_)
    carried = [carrier.next(picture) for picture in pictures[1:]]

    session = transformers.Sam2VideoInferenceSession(
        video=torch.cat([square(picture, SIDE) for picture in pictures]),
        video_height=height, video_width=width, dtype=torch.float32,
    )  # fmt: skip
    for number in (7, 3):
        whole = torch.nn.functional.interpolate(
            torch.tensor(map_ == number)[None, None].float(), (SIDE, SIDE), mode="bilinear",
            antialias=True,
        )  # fmt: skip
        session.add_mask_inputs(session.obj_id_to_idx(number), 0, whole >= 0.5)
    session.obj_with_new_inputs = [7, 3]
    with torch.inference_mode():
        said = [each.pred_masks[:, 0] for each in model.propagate_in_video_iterator(session, 0)]
    for ours, logits in zip(carried, said[1:], strict=True):
        assert ours is not None
        large = torch.nn.functional.interpolate(logits[None], (height, width), mode="bilinear")[0]
        best, which = large.max(dim=0)
        theirs = np.where(best.numpy() > 0, np.array([7, 3])[which.numpy()], 0)
        assert (ours == theirs).mean() > 0.98


def test_a_picture_of_another_size_is_not_followed_into(models):
    carrier = Sam2Carrier(open_model(models, "sam2", "Sam2VideoModel"))
    carrier.begin(np.zeros((40, 60, 3), np.uint8), np.ones((40, 60), np.uint16))

    assert carrier.next(np.zeros((30, 60, 3), np.uint8)) is None
    carrier.begin(np.zeros((40, 60, 3), np.uint8), np.zeros((40, 60), np.uint16))
    still = carrier.next(np.zeros((40, 60, 3), np.uint8))
    assert still is not None
    assert not still.any()


def test_what_is_missing_is_named(tmp_path, models):
    with pytest.raises(MissingModel, match=r"sam2 has no config.json"):
        load_provider("sam2", tmp_path)
    with pytest.raises(ValueError, match="say which"):
        load_provider("sam2")
    with pytest.raises(ValueError, match="choose nano, sam2, grounded-sam2"):
        load_provider("yolo", models)
    with pytest.raises(ValueError, match="there are none"):
        load_provider("grounded-sam2", models, [])

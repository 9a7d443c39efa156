"""The face over the model: prompts of every kind, people's masks as the truth, bounded memory.

The weights are random, so masks mean nothing here; what is tested is what becomes of them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("scipy")

from inference.predictor import load_predictor  # noqa: E402
from inference.prompts import BoxPrompt, MaskPrompt, PointPrompt  # noqa: E402
from inference.sam4d import predictor as face  # noqa: E402
from inference.sam4d import weights  # noqa: E402
from inference.sam4d.answers import Answer  # noqa: E402
from inference.sam4d.holes import filled  # noqa: E402
from inference.sam4d.model import Sam4d  # noqa: E402
from inference.sam4d.predictor import Budget, Sam4dPredictor  # noqa: E402
from inference.sam4d.runtime import Runtime  # noqa: E402
from inference.sam4d.sights import bytes_of  # noqa: E402
from inference.scene import Scene  # noqa: E402
from tests.builders import CAMERA, HEIGHT_PX, LIDAR, POINTS, WIDTH_PX, FrameList, build_scene  # noqa: E402
from tests.inference.sam4d.rig import small_model  # noqa: E402

EXACT = Runtime(torch.device("cpu"))
PIXELS = HEIGHT_PX * WIDTH_PX
ON_THE_CAR = PointPrompt(LIDAR, (12.0, 0.0, 0.9))
IN_THE_PICTURE = PointPrompt(CAMERA, (30.0, 20.0))


def random_model(*, release: bool = False) -> Sam4d:
    """Objects are there everywhere, and their masks have both sides."""
    model = small_model(release=release)
    with torch.no_grad():
        model.mask_decoder.pred_obj_score_head.layers[-1].bias.fill_(5.0)
    return model


@pytest.fixture(scope="module", params=[False, True], ids=["ours", "release"])
def predictor(request, tmp_path_factory):
    return Sam4dPredictor(
        random_model(release=request.param),
        version="1",
        runtime=EXACT,
        cache_folder=tmp_path_factory.mktemp("features"),
    )


@pytest.fixture
def opened(predictor):
    opened = predictor.open(build_scene(9))
    yield opened
    predictor.close(opened)


def masks_of(predictions):
    return {each.sensor: each.mask for each in predictions}


def same(first, second):
    return first.keys() == second.keys() and all(
        np.array_equal(mask, second[sensor]) for sensor, mask in first.items()
    )


@pytest.mark.parametrize(
    "prompt",
    [
        ON_THE_CAR,
        IN_THE_PICTURE,
        BoxPrompt(CAMERA, (10, 5), (40, 30)),
        BoxPrompt(LIDAR, (9, -2), (15, 2)),
        BoxPrompt(LIDAR, (9, -2, 0), (15, 2, 2)),
        MaskPrompt(LIDAR, np.arange(POINTS) < 40),
        MaskPrompt(CAMERA, np.arange(PIXELS) % WIDTH_PX < 20),
    ],
    ids=["point", "pixel", "box", "box from above", "box in space", "points", "pixels"],
)
def test_any_prompt_is_answered_in_every_sensor(predictor, opened, prompt):
    answers = predictor.add_prompt(opened, frame=0, prompts=[prompt])

    sizes = {CAMERA: PIXELS, LIDAR: POINTS}
    assert answers
    for answer in answers:
        assert answer.mask.shape == (sizes[answer.sensor],)
        assert answer.mask.dtype == bool
        assert 0 <= answer.confidence <= 1
        assert 0.5 < answer.object_score <= 1


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        (PointPrompt(CAMERA, (640.0, 5.0)), r"\(640, 5\) lies outside .* which is 64x48"),
        (PointPrompt(LIDAR, (1.0, 2.0)), "has 3 finite coordinates"),
        (PointPrompt(LIDAR, (1.0, 2.0, float("nan"))), "has 3 finite coordinates"),
        (BoxPrompt(CAMERA, (30, 5), (10, 30)), "smaller coordinates come first"),
        (BoxPrompt(CAMERA, (70, 5), (90, 30)), "lies outside the picture"),
        (MaskPrompt(LIDAR, np.zeros(POINTS, bool)), "is empty"),
        (MaskPrompt(LIDAR, np.ones(7, bool)), "7 elements, the reading 300"),
    ],
)
def test_a_prompt_that_does_not_fit_is_refused_with_words(predictor, opened, prompt, words):
    with pytest.raises(ValueError, match=words):
        predictor.add_prompt(opened, frame=0, prompts=[prompt])


def test_a_box_round_nothing_is_refused_by_ours(tmp_path):
    predictor = Sam4dPredictor(random_model(), version="1", runtime=EXACT, cache_folder=tmp_path)
    opened = predictor.open(build_scene(1))

    with pytest.raises(ValueError, match="no points in the box"):
        predictor.add_prompt(opened, frame=0, prompts=[BoxPrompt(LIDAR, (90, 90), (91, 91))])


def test_unknown_sensors_and_frames_are_refused_with_what_there_is(predictor, opened):
    with pytest.raises(KeyError, match="no sensor 'REAR'"):
        predictor.add_prompt(opened, frame=0, prompts=[PointPrompt("REAR", (1.0, 1.0))])
    with pytest.raises(IndexError, match="there is no frame 9"):
        predictor.add_prompt(opened, frame=9, prompts=[ON_THE_CAR])


def test_the_same_prompts_give_the_same_masks(predictor, opened):
    first = predictor.add_prompt(opened, frame=1, prompts=[ON_THE_CAR])
    again = predictor.open(build_scene(9))
    second = predictor.add_prompt(again, frame=1, prompts=[ON_THE_CAR])
    predictor.close(again)

    assert same(masks_of(first), masks_of(second))
    assert [a.confidence for a in first] == [a.confidence for a in second]


def test_a_second_click_goes_on_from_the_first_answer(predictor, opened):
    both = [ON_THE_CAR, PointPrompt(LIDAR, (0.0, 5.0, 0.0), positive=False)]
    at_once = predictor.add_prompt(opened, frame=0, prompts=both)
    predictor.add_prompt(opened, frame=0, prompts=both[:1])
    after_the_first = predictor.add_prompt(opened, frame=0, prompts=both)

    assert [a.confidence for a in at_once] != [a.confidence for a in after_the_first]


@pytest.mark.parametrize("frames", [range(1, 5), range(7, 2, -1)], ids=["forwards", "backwards"])
def test_tracks_are_followed_in_the_order_asked(predictor, opened, frames):
    start = frames[0] - frames.step
    known = {
        track: {start: masks_of(predictor.add_prompt(opened, frame=start, prompts=[prompt]))}
        for track, prompt in {4: ON_THE_CAR, 9: IN_THE_PICTURE}.items()
    }

    followed = list(predictor.propagate(opened, known=known, frames=frames))

    assert [answer.frame for answer in followed] == list(frames)
    assert all(set(answer.masks) == {4, 9} for answer in followed)
    assert all(answer.masks[4] for answer in followed)


def test_what_people_say_is_given_back_as_it_came(predictor, opened):
    drawn = {LIDAR: np.arange(POINTS) % 3 == 0, CAMERA: np.arange(PIXELS) % 5 == 0}
    start = masks_of(predictor.add_prompt(opened, frame=0, prompts=[ON_THE_CAR]))
    known = {1: {0: start, 2: drawn}}

    followed = list(predictor.propagate(opened, known=known, frames=range(1, 4)))

    assert same(masks_of(followed[1].masks[1]), drawn)
    assert {answer.confidence for answer in followed[1].masks[1]} == {1.0}


def test_a_frame_that_people_know_changes_what_follows(predictor, opened):
    start = masks_of(predictor.add_prompt(opened, frame=0, prompts=[ON_THE_CAR]))
    drawn = {LIDAR: np.arange(POINTS) >= 40}

    def last(known):
        *_, answer = predictor.propagate(opened, known={1: known}, frames=range(1, 4))
        return [(each.sensor, each.confidence) for each in answer.masks[1]]

    alone = last({0: start})
    assert last({0: start, 2: drawn}) != alone
    assert last({0: start}) == alone  # taken back


def test_following_can_stop_anywhere_and_go_on_from_there(predictor, opened):
    start = masks_of(predictor.add_prompt(opened, frame=0, prompts=[ON_THE_CAR]))
    whole = list(predictor.propagate(opened, known={1: {0: start}}, frames=range(1, 6)))
    predictor.remove_track(opened, 1)

    steps = predictor.propagate(opened, known={1: {0: start}}, frames=range(1, 6))
    first = [next(steps) for _ in range(2)]
    steps.close()
    reached = masks_of(first[1].masks[1])
    rest = predictor.propagate(opened, known={1: {0: start, 2: reached}}, frames=range(3, 6))

    for one, other in zip(whole, [*first, *rest], strict=True):
        assert same(masks_of(one.masks[1]), masks_of(other.masks[1]))


def test_a_mask_that_a_person_accepts_becomes_a_conditioning_frame(predictor, opened):
    start = masks_of(predictor.add_prompt(opened, frame=0, prompts=[ON_THE_CAR]))
    followed = list(predictor.propagate(opened, known={1: {0: start}}, frames=range(1, 4)))
    accepted = {0: start, 2: masks_of(followed[1].masks[1])}

    list(predictor.propagate(opened, known={1: accepted}, frames=[4]))

    assert set(opened.tracker.tracks[1].conditioning) == {0, 2}
    assert 2 not in opened.tracker.tracks[1].followed


def test_what_a_track_rests_on_is_remembered_once(predictor, opened, monkeypatch):
    """Known in one sensor only: the other is decoded, and that is no news in the next frame."""
    packed = []
    remember = predictor.model.remember
    monkeypatch.setattr(
        predictor.model, "remember", lambda *given: packed.append(1) or remember(*given)
    )
    known = {1: {0: {LIDAR: np.arange(POINTS) < 40}, 2: {LIDAR: np.arange(POINTS) < 60}}}

    list(predictor.propagate(opened, known=known, frames=range(1, 6)))

    assert len(packed) == 2 + 4  # two known frames, four that were followed


def test_a_removed_track_leaves_nothing(predictor, opened):
    start = masks_of(predictor.add_prompt(opened, frame=0, prompts=[ON_THE_CAR]))
    list(predictor.propagate(opened, known={1: {0: start}}, frames=[1]))

    predictor.remove_track(opened, 1)

    assert not opened.tracker.tracks
    assert not opened.masks_of


def test_the_memory_of_a_track_does_not_grow_once_the_bank_is_full(tmp_path):
    # The same frame again and again: otherwise a sweep has some voxels more than the one before.
    again = [replace(build_scene(1).frames[0], index=index) for index in range(24)]
    scene = replace(build_scene(1), frames=FrameList(again))
    predictor = Sam4dPredictor(
        random_model(),
        version="1",
        runtime=EXACT,
        budget=Budget(memory_bytes=0, disk_bytes=1 << 30, answers=2),
        cache_folder=tmp_path,
    )
    opened = predictor.open(scene)
    start = masks_of(predictor.add_prompt(opened, frame=0, prompts=[ON_THE_CAR]))
    known = {track: {0: start} for track in range(3)}

    sizes = []
    for _ in predictor.propagate(opened, known=known, frames=range(1, 24)):
        sizes.append(sum(bytes_of(state) for state in opened.tracker.tracks.values()))

    full = predictor.model.config.memory_frames + 1
    assert sizes[full] > sizes[0]
    assert len(set(sizes[full:])) == 1


def test_only_so_many_tracks_keep_their_memories(tmp_path):
    predictor = Sam4dPredictor(
        random_model(), version="1", runtime=EXACT, budget=Budget(tracks=2), cache_folder=tmp_path
    )
    opened = predictor.open(build_scene(3))
    start = masks_of(predictor.add_prompt(opened, frame=0, prompts=[ON_THE_CAR]))

    for tracks in ([1], [2], [1], [3], [4, 5, 6]):
        known = {track: {0: start} for track in tracks}
        list(predictor.propagate(opened, known=known, frames=[1]))
        assert set(tracks) <= set(opened.tracker.tracks)
        assert len(opened.tracker.tracks) <= max(2, len(tracks))

    assert set(opened.masks_of) == {4, 5, 6}


@pytest.mark.parametrize("without", ["images", "sweeps"])
def test_scenes_of_one_modality_work(tmp_path, without):
    scene = build_scene(3)
    kind = scene.cameras if without == "images" else scene.lidars
    rest = Scene(
        "half",
        [sensor for sensor in scene.sensors if sensor not in kind],
        FrameList([replace(frame, **{without: {}}) for frame in scene.frames]),
    )
    predictor = Sam4dPredictor(random_model(), version="1", runtime=EXACT, cache_folder=tmp_path)
    opened = predictor.open(rest)
    prompt = ON_THE_CAR if without == "images" else IN_THE_PICTURE

    start = masks_of(predictor.add_prompt(opened, frame=0, prompts=[prompt]))
    followed = list(predictor.propagate(opened, known={1: {0: start}}, frames=[1, 2]))

    assert set(start) == {rest.sensors[0].name}
    assert len(followed) == 2


def test_a_reading_that_is_missing_in_a_frame_is_passed_over(tmp_path):
    frames = list(build_scene(4).frames)
    frames[1] = replace(frames[1], images={})
    frames[2] = replace(frames[2], sweeps={})
    scene = replace(build_scene(4), frames=FrameList(frames))
    predictor = Sam4dPredictor(random_model(), version="1", runtime=EXACT, cache_folder=tmp_path)
    opened = predictor.open(scene)

    start = masks_of(predictor.add_prompt(opened, frame=0, prompts=[ON_THE_CAR]))
    followed = list(predictor.propagate(opened, known={1: {0: start}}, frames=[1, 2, 3]))

    assert {each.sensor for each in followed[0].masks[1]} <= {LIDAR}
    assert {each.sensor for each in followed[1].masks[1]} <= {CAMERA}
    with pytest.raises(ValueError, match=f"'{CAMERA}' has no picture in frame 1"):
        predictor.add_prompt(opened, frame=1, prompts=[IN_THE_PICTURE])


@pytest.mark.parametrize(
    "points",
    [
        np.zeros((0, 3)),
        np.ones((1, 3)),
        np.full((50, 3), np.nan),
        np.random.default_rng(0).uniform(-20, 20, (1_000_000, 3)) * [1, 1, 0.01],
    ],
    ids=["none", "one", "nowhere", "a million"],
)
def test_sweeps_of_any_size_are_answered(tmp_path, points):
    frames = list(build_scene(2).frames)
    sweep = frames[0].sweeps[LIDAR]
    odd = replace(sweep, points_ego=points.astype(np.float32))
    scene = replace(
        build_scene(2), frames=FrameList([replace(frames[0], sweeps={LIDAR: odd}), frames[1]])
    )
    predictor = Sam4dPredictor(random_model(), version="1", runtime=EXACT, cache_folder=tmp_path)
    opened = predictor.open(scene)

    answers = predictor.add_prompt(opened, frame=0, prompts=[IN_THE_PICTURE])
    followed = predictor.propagate(opened, known={1: {0: masks_of(answers)}}, frames=[1])

    sizes = {CAMERA: PIXELS, LIDAR: len(points)}
    assert isinstance(answers, list)  # random weights may see nothing
    assert all(answer.mask.shape == (sizes[answer.sensor],) for answer in answers)
    assert set(next(followed).masks) == {1}


def test_half_precision_hardly_changes_an_answer(tmp_path):
    scene = build_scene(2)
    answers = []
    for precision in (torch.float32, torch.bfloat16):
        runtime = Runtime(torch.device("cpu"), precision)
        predictor = Sam4dPredictor(
            random_model(), version="1", runtime=runtime, cache_folder=tmp_path
        )
        opened = predictor.open(scene)
        start = predictor.add_prompt(opened, frame=0, prompts=[ON_THE_CAR])
        followed = predictor.propagate(opened, known={1: {0: masks_of(start)}}, frames=[1])
        answers.append([*start, *next(iter(followed)).masks[1]])
        predictor.close(opened)

    assert [each.sensor for each in answers[0]] == [each.sensor for each in answers[1]]
    for exact, rounded in zip(*answers, strict=True):
        assert rounded.confidence == pytest.approx(exact.confidence, abs=0.05)


def test_small_holes_are_filled_and_large_ones_stay():
    logits = torch.full((1, 24, 24), 3.0)
    logits[0, 4:6, 4:6] = -3.0  # 4 cells
    logits[0, 10:14, 10:14] = -3.0  # 16
    answer = Answer(logits, torch.ones(1), torch.zeros(1, 8), torch.ones(1))

    outside = filled(answer).low[0] <= 0

    assert int(outside.sum()) == 16
    assert bool(outside[10:14, 10:14].all())


def test_a_file_of_weights_is_a_predictor_by_its_path(tmp_path):
    path = tmp_path / "own.safetensors"
    weights.save(random_model(), path)

    predictor = load_predictor(str(path))

    assert predictor.name == "sam4d"
    assert len(predictor.version) == 12
    assert isinstance(predictor, face.Sam4dPredictor)


def test_a_file_of_nonsense_is_refused_with_words(tmp_path):
    path = tmp_path / "nonsense.pt"
    path.write_bytes(b"not weights")

    with pytest.raises(ValueError, match="cannot be read as weights"):
        load_predictor(str(path))

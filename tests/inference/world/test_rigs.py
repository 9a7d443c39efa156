import numpy as np
import pytest

from inference.world.drive import make_drive
from inference.world.rigs import RIGS, make_rig


@pytest.mark.parametrize("name", RIGS)
def test_every_rig_sees_the_street(name):
    drive = make_drive(3, name, 1, width_px=96)
    frame, ids = drive.frames[0], drive.frames.gold_ids(0)

    assert set(frame.images) == {camera.name for camera in drive.cameras}
    for camera in drive.cameras:
        lens = camera.calibration.intrinsics
        assert lens.width_px == 96
        assert ids[camera.name].shape == (lens.height_px, 96)
    (lidar,) = drive.lidars
    sweep = frame.sweeps[lidar.name]
    assert len(sweep) == len(ids[lidar.name]) > 1000
    # Each point comes from the beam that its row names.
    seen = (sweep.points_ego - lidar.calibration.ego_from_sensor[:3, 3]) @ (
        lidar.calibration.ego_from_sensor[:3, :3]
    )
    elevation = np.arcsin(seen[:, 2] / np.linalg.norm(seen, axis=1))
    beams = np.array(lidar.calibration.beam_elevations)
    assert np.abs(elevation - beams[sweep.row]).max() < 1e-3


def test_width_scales_the_whole_lens():
    whole, small = (make_rig("kitti", width_px=width).cameras[0] for width in (None, 621))

    one, other = whole.calibration.intrinsics, small.calibration.intrinsics
    assert (one.width_px, one.height_px, other.width_px, other.height_px) == (1242, 375, 621, 188)
    assert other.fx == pytest.approx(one.fx / 2)
    assert other.cy / other.height_px == pytest.approx(one.cy / one.height_px)


def test_random_rigs_follow_from_the_seed_and_differ():
    rigs = [make_rig("random", seed=seed) for seed in range(20)]

    assert repr(make_rig("random", seed=7)) == repr(rigs[7])
    assert len({len(rig.cameras) for rig in rigs}) == 3
    assert len({len(rig.lidar.calibration.beam_elevations) for rig in rigs}) >= 4
    assert len({rig.columns for rig in rigs}) >= 4
    for rig in rigs:
        beams = np.array(rig.lidar.calibration.beam_elevations)
        assert (np.diff(beams) < 0).all()  # row 0 is the top beam


def test_an_unknown_rig_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="no rig 'lorry'; choose from demo, tiny"):
        make_rig("lorry")

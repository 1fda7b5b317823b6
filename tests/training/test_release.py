"""Released weights: blended by share, the threshold moved to 0.5."""

import numpy as np
import pytest

from edgeseg.errors import InputError
from edgeseg.training.release import blend, calibrate, main, soften


def weights(value: float) -> dict[str, np.ndarray]:
    return {
        "stem/kernel": np.full((3, 3, 3, 4), value, np.float32),
        "logits/kernel": np.full((1, 1, 4, 1), value, np.float32),
        "logits/bias": np.full(1, value, np.float32),
    }


def test_blend_is_the_weighted_mean():
    mixed = blend([weights(1.0), weights(5.0)], [1, 3])
    np.testing.assert_allclose(mixed["stem/kernel"], 4.0)
    assert mixed["stem/kernel"].dtype == np.float32


def test_calibration_makes_the_threshold_one_half():
    shifted = calibrate(weights(0.0), 0.45)["logits/bias"][0]
    logit = np.log(0.45 / 0.55)
    assert 1 / (1 + np.exp(-(logit + shifted))) == pytest.approx(0.5, abs=1e-6)


def test_a_temperature_divides_the_logits_and_its_inverse_takes_it_back(tmp_path):
    soft = soften(weights(6.0), 2)
    assert (soft["logits/kernel"] == 3).all()
    assert (soft["logits/bias"] == 3).all()
    assert (soft["stem/kernel"] == 6).all()
    np.savez(tmp_path / "a.npz", **weights(6.0))
    main([f"{tmp_path}/a.npz"], tmp_path / "b.npz", 0.4, 2.0)
    main([f"{tmp_path}/b.npz"], tmp_path / "c.npz", temperature=0.5)
    back = np.load(tmp_path / "c.npz")
    np.testing.assert_allclose(back["logits/kernel"], 6)
    np.testing.assert_allclose(back["logits/bias"], calibrate(weights(6.0), 0.4)["logits/bias"])


def test_a_head_for_training_alone_is_left_out(tmp_path):
    head = {"features_answer/bias": np.ones(3, np.float32)}
    np.savez(tmp_path / "a.npz", **weights(1.0), **head)
    np.savez(tmp_path / "b.npz", **weights(3.0))
    main([f"{tmp_path}/a.npz", f"{tmp_path}/b.npz"], tmp_path / "out.npz")
    assert set(np.load(tmp_path / "out.npz").files) == set(weights(0))


def test_files_are_read_blended_and_written(tmp_path):
    for name, value in (("a", 0.0), ("b", 2.0)):
        np.savez(tmp_path / f"{name}.npz", **weights(value))
    main([f"{tmp_path}/a.npz=0.5", f"{tmp_path}/b.npz=0.5"], tmp_path / "out.npz", 0.5)
    np.testing.assert_allclose(np.load(tmp_path / "out.npz")["logits/bias"], 1.0)


def test_layers_alone_are_blended_with_another_networks(tmp_path):
    np.savez(tmp_path / "a.npz", **weights(1.0))
    other = {"stem/kernel": np.full((3, 3, 3, 4), 5, np.float32), "stem_more/bias": np.ones(2)}
    np.savez(tmp_path / "b.npz", **other)
    files = [f"{tmp_path}/a.npz=0.75", f"{tmp_path}/b.npz=0.25"]
    main(files, tmp_path / "out.npz", only=["stem"])
    out = np.load(tmp_path / "out.npz")
    assert set(out.files) == set(weights(0))
    np.testing.assert_allclose(out["stem/kernel"], 2.0)
    np.testing.assert_allclose(out["logits/kernel"], 1.0)
    with pytest.raises(InputError, match="different names"):
        main(files, tmp_path / "out.npz", only=["stem", "logits"])
    with pytest.raises(InputError, match="only: got 'block', expected how"):
        main(files, tmp_path / "out.npz", only=["stem", "block"])


def test_normalization_is_folded_before_the_blend(tmp_path):
    plain = {**weights(1.0), "stem/bias": np.zeros(4, np.float32)}
    parts = {"gamma": 3.0, "beta": 2.0, "moving_mean": 0.0, "moving_variance": 1 - 1e-3}
    normalized = {f"stem_bn/{k}": np.full(4, v, np.float32) for k, v in parts.items()}
    np.savez(tmp_path / "plain.npz", **plain)
    np.savez(tmp_path / "normalized.npz", **weights(1.0), **normalized)
    main([f"{tmp_path}/plain.npz=1", f"{tmp_path}/normalized.npz=1"], tmp_path / "out.npz", 0.5)
    blended = np.load(tmp_path / "out.npz")
    assert set(blended.files) == set(plain)
    np.testing.assert_allclose(blended["stem/kernel"], 2.0, rtol=1e-5)
    np.testing.assert_allclose(blended["stem/bias"], 1.0, rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: blend([weights(1)], [0]), "shares: got"),
        (lambda: blend([weights(1), {"x": np.zeros(1)}], [1, 1]), "different names"),
        (lambda: calibrate(weights(1), 1.0), "threshold: got 1.0"),
        (lambda: calibrate({"logits/bias": np.zeros(3)}, 0.4), "one class, expected a binary"),
        (lambda: soften({"logits/bias": np.zeros(3)}, 2.0), "one class, expected a binary"),
        (lambda: soften({"logits/kernel": np.zeros(1)}, 2.0), "one class, expected a binary"),
        (lambda: soften({"logits/bias": np.zeros(1)}, 2.0), "one class, expected a binary"),
        (lambda: soften(weights(1), 0.0), "temperature: got 0.0"),
        (lambda: main(["missing.npz=1"], "out.npz"), "missing.npz=1: got no"),
    ],
)
def test_bad_input_is_refused(call, expected):
    with pytest.raises(InputError, match=expected):
        call()

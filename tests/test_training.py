"""The loss, the loop, and that a resumed run gives the same bits."""

import copy
from collections import namedtuple
from functools import partial

import pytest
import torch

from diffusion_lib.data import ImageData
from diffusion_lib.emphasis import CONTEXT_WEIGHTS, loss_weights, odds_of_t
from diffusion_lib.schedule import NoiseSchedule, add_noise, snr
from diffusion_lib.training import noise_prediction_loss, train
from diffusion_lib.unet import ContextUnet

schedule = NoiseSchedule.linear(100)


def make_data(count=40):
    generator = torch.Generator().manual_seed(0)
    labels = torch.eye(2)[torch.arange(count) % 2]
    images = (2 * labels[:, :1, None, None] - 1) * 0.8 + 0.1 * torch.randn(
        count, 1, 8, 8, generator=generator
    )
    return ImageData(images, labels, ("light", "dark"))


def make_model(seed=0):
    torch.manual_seed(seed)
    return ContextUnet(1, 8, 2, 8)


def run(model, data=None, *, steps=None, **options):
    result = []
    for step in train(model, schedule, data or make_data(), **({"num_epochs": 3, "batch_size": 8} | options)):
        result.append(step)
        if len(result) == steps:
            break
    return result


def test_loss_is_equation_14():
    x_0, noise = torch.randn(2, 3, 1, 8, 8)
    t, context = torch.tensor([1, 50, 100]), torch.eye(2)[[0, 1, 0]]
    seen = []

    def model(x_t, fraction, c):
        seen.append((x_t, fraction, c))
        return torch.zeros_like(x_t)

    losses = noise_prediction_loss(model, schedule, x_0, t, noise, context)
    assert torch.allclose(losses, noise.square().mean(dim=(1, 2, 3)))
    x_t, fraction, c = seen[0]
    assert torch.equal(x_t, add_noise(schedule, x_0, t, noise))
    assert torch.allclose(fraction, torch.tensor([0.01, 0.5, 1.0])) and fraction.dtype == x_0.dtype
    assert c is context


def test_what_a_step_tells():
    steps = run(make_model(), learning_rate=1e-3, warmup_steps=5)
    assert [s.step for s in steps] == list(range(1, 16)) and {s.num_steps for s in steps} == {15}
    assert [s.epoch for s in steps] == [1] * 5 + [2] * 5 + [3] * 5
    for s in steps:
        assert s.loss == pytest.approx(s.losses.mean().item()) and s.losses.shape == s.t.shape == (8,)
    t = torch.cat([s.t for s in run(make_model(), num_epochs=20)])
    assert t.min() >= 1 and t.max() <= 100
    counts = torch.histc(t.float(), 4, 1, 100)
    assert ((counts - len(t) / 4).abs() < 4 * (len(t) * 3 / 16) ** 0.5).all()
    rates = [s.learning_rate for s in steps]
    expected = [1e-3 * min((i + 1) / 5, 1) * (1 - i / 15) for i in range(15)]
    assert rates == pytest.approx(expected)


Batch = namedtuple("Batch", "x_0 t noise context")


@pytest.fixture
def batches(monkeypatch):
    """What the training loop hands to the loss, batch by batch."""
    seen = []

    def spy(model, schedule, x_0, t, noise, context=None):
        seen.append(Batch(x_0, t, noise, context))
        return noise_prediction_loss(model, schedule, x_0, t, noise, context)

    monkeypatch.setattr("diffusion_lib.training.noise_prediction_loss", spy)
    return seen


def test_every_step_from_1_to_T_is_drawn():
    few = NoiseSchedule.linear(5)
    steps = train(make_model(), few, make_data(), num_epochs=4, batch_size=8)
    assert torch.cat([s.t for s in steps]).unique().tolist() == [1, 2, 3, 4, 5]


def test_each_epoch_sees_each_image_once_in_a_new_order(batches):
    """The images are told apart by their constant brightness."""
    values = torch.linspace(-1, 1, 40)
    data = ImageData(values.view(-1, 1, 1, 1).expand(-1, 1, 8, 8), torch.eye(2)[[0] * 40], ("a", "b"))
    run(make_model(), data, num_epochs=2)
    seen = torch.cat([batch.x_0[:, 0, 0, 0] for batch in batches]).tolist()
    first, second = seen[:40], seen[40:]
    assert sorted(first) == pytest.approx(values.tolist()) and sorted(second) == sorted(first)
    assert first != second


def test_context_dropout_zeroes_whole_contexts(batches):
    for share in (0.0, 0.3, 1.0):
        batches.clear()
        run(make_model(), num_epochs=10, context_dropout=share)
        contexts = torch.cat([batch.context for batch in batches])
        dropped = (contexts == 0).all(dim=1)
        assert torch.equal(contexts[~dropped].sum(dim=1), torch.ones(int((~dropped).sum())))
        assert dropped.float().mean().item() == pytest.approx(share, abs=4 * (0.25 / len(dropped)) ** 0.5)
        if share == 0.3:
            shares = {(batch.context == 0).all(dim=1).float().mean().item() for batch in batches}
            assert len(shares) > 3, "each image is dropped or kept on its own"


def test_each_image_gets_its_own_normal_noise(batches):
    run(make_model(), num_epochs=20)
    noise = torch.cat([batch.noise for batch in batches])
    assert len(torch.unique(noise.flatten(start_dim=1), dim=0)) == len(noise)
    n = noise.numel()
    assert noise.mean().abs() < 4 / n**0.5
    assert (noise**2).mean().item() == pytest.approx(1, abs=4 * (2 / n) ** 0.5)
    assert (noise**4).mean().item() == pytest.approx(3, abs=4 * (96 / n) ** 0.5), "uniform noise has 1.8"


def test_the_weights_of_the_loss_are_those_of_the_paper():
    """Yu et al. 2023: 1 / sqrt(snr), here within 0.2 .. 10, over the mean."""
    ratios = snr(NoiseSchedule.linear(500, 2e-4, 0.04), torch.arange(501))
    weights = loss_weights(ratios, "debiased")
    assert weights[1:].mean().item() == pytest.approx(1)
    plain = 1 / ratios.sqrt()
    assert torch.allclose(weights[50:300] / weights[100], plain[50:300] / plain[100])
    assert weights[1] / weights[100] == pytest.approx(0.2 / plain[100].item())
    assert weights[500] / weights[100] == pytest.approx(10 / plain[100].item())
    assert torch.equal(loss_weights(ratios, "none"), torch.ones(501, dtype=torch.float64))
    clean = loss_weights(ratios, "clean")
    assert clean[1:].mean().item() == pytest.approx(1)
    assert torch.allclose(clean[50:300] / clean[100], (plain[50:300] / plain[100]) ** 1.5)
    assert clean[1] / clean[100] == pytest.approx((0.05 / plain[100].item()) ** 1.5)
    assert clean[500] / clean[100] == pytest.approx((20 / plain[100].item()) ** 1.5)


def test_the_middle_steps_are_drawn_more_often_where_that_is_asked_for():
    long = NoiseSchedule.linear(500, 2e-4, 0.04)
    ratios = snr(long, torch.arange(501))
    assert odds_of_t(ratios, "uniform") is None
    odds = odds_of_t(ratios, "middle")
    assert odds.shape == (500,) and odds.min() == 0.5 and odds[:20].max() == 0.5  # nearly clean: seldom
    top = 1 + odds.argmax().item()
    assert 1 / long.alpha_bar[top].item() - 1 == pytest.approx(12, rel=0.02)  # 1 / snr, sigma squared
    sigma = ratios[1:].rsqrt()
    assert torch.equal(odds[100 : top - 1], sigma[100 : top - 1]) and (sigma[100] > 0.5)
    assert torch.allclose(odds[top:380], 12 / sigma[top:380])

    assert odds_of_t(torch.tensor([torch.inf, torch.inf, 0.0]), "middle").tolist() == [0.5, 0.5]
    high = odds_of_t(ratios, "high")
    inside = (sigma >= 4) & (sigma <= 40)
    assert torch.allclose(high[inside], torch.tensor(1.05, dtype=high.dtype)) and 100 < inside.sum() < 200
    assert torch.allclose(high[~inside], torch.tensor(0.05, dtype=high.dtype))

    steps = train(make_model(), long, make_data(), num_epochs=60, batch_size=40, draw_t="middle")
    drawn = torch.cat([step.t for step in steps])
    assert drawn.min() >= 1 and drawn.max() <= 500
    counts = torch.bincount((drawn - 1) // 50, minlength=10)
    expected = odds.view(10, 50).sum(dim=1) / odds.sum() * len(drawn)
    assert ((counts - expected) ** 2 / expected).sum() < 27.9, "chi-squared, 9 degrees of freedom, 0.001"


def test_weighting_steers_the_weights_and_not_the_loss_that_is_told(monkeypatch):
    """A weight of 0 stops learning; what is reported stays the plain mean."""
    model = make_model()
    before = copy.deepcopy(list(model.parameters()))
    monkeypatch.setattr("diffusion_lib.training.loss_weights", lambda ratios, w: torch.zeros_like(ratios))
    steps = run(model, steps=3)
    assert all(s.loss == pytest.approx(s.losses.mean().item()) and s.loss > 0 for s in steps)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters()))


def test_the_columns_of_the_classes_can_learn_faster():
    """Adam's first step is as long as its learning rate, whatever the gradient."""
    moved = {}
    for rate in (1.0, 10.0):
        model = make_model()
        before = {name: value.clone() for name, value in model.named_parameters()}
        run(model, steps=1, class_rate=rate, learning_rate=1e-3, warmup_steps=0, context_dropout=0)
        moved[rate] = {name: (value - before[name]).abs().max() for name, value in model.named_parameters()}
    for name, once in moved[1.0].items():
        factor = 10 if name in CONTEXT_WEIGHTS else 1
        assert moved[10.0][name].item() == pytest.approx(factor * once.item(), rel=1e-2), name
    assert moved[1.0][CONTEXT_WEIGHTS[0]].item() == pytest.approx(1e-3, rel=0.1)


def test_a_run_with_faster_columns_goes_on_bit_for_bit():
    options = {"class_rate": 5.0, "learning_rate": 1e-3}
    whole = run(make_model(), **options)
    half = run(make_model(), steps=7, **options)
    saved = {name: value.clone() for name, value in half[-1].run.tensors().items()}
    rest = run(make_model(1), resume=saved, **options)
    assert len(half) + len(rest) == len(whole)
    for name, value in whole[-1].run.tensors().items():
        assert torch.equal(value, rest[-1].run.tensors()[name]), name
    rates = [[group["lr"] for group in steps[-1].run.optimizer.param_groups] for steps in (whole, rest)]
    assert rates[0] == rates[1] and len(rates[0]) == 2


@pytest.mark.parametrize("rate", [0, -1.0, float("nan"), float("inf")])
def test_a_rate_of_the_classes_that_is_none(rate):
    with pytest.raises(ValueError, match="class_rate must be a finite number above 0, got"):
        run(make_model(), class_rate=rate)


def test_a_rate_of_the_classes_needs_their_weights(monkeypatch):
    monkeypatch.setattr("diffusion_lib.emphasis.CONTEXT_WEIGHTS", ("embed.weight",))
    with pytest.raises(ValueError, match="class_rate 2 needs a network with weights embed.weight"):
        run(make_model(), class_rate=2.0)
    run(make_model(), steps=1, class_rate=1.0)


def test_it_learns():
    """Two flat greys: the loss must fall far below 1, the loss of predicting nothing."""
    steps = run(make_model(), num_epochs=30, learning_rate=3e-3)
    assert sum(s.loss for s in steps[:5]) / 5 > 0.8
    assert sum(s.loss for s in steps[-10:]) / 10 < 0.35
    by_t = steps[-1].run.loss_by_t()
    assert by_t[:4].nanmean() > 2 * by_t[-4:].nanmean(), "small t is the hard part"
    history = steps[-1].run.loss_history
    assert history.shape == (30, 2, 20) and history[:, 1].sum() == 30 * 40
    last_epoch = torch.stack([s.losses for s in steps[-5:]]).double().sum()
    assert history[-1, 0].sum().item() == pytest.approx(last_epoch.item(), rel=1e-5)


def test_ema_follows_the_weights_with_its_decay():
    model = make_model()
    average = None
    decay = 0.9
    for n, step in enumerate(
        train(model, schedule, make_data(), num_epochs=6, batch_size=8, ema_decay=decay)
    ):
        current = model.state_dict()
        if average is None:
            average = {k: v.double() for k, v in current.items()}
        else:
            d = min(decay, (1 + n) / (10 + n))
            average = {k: d * average[k] + (1 - d) * v.double() for k, v in current.items()}
    ema = step.run.ema_model
    assert not ema.training and step.run.ema_model is ema
    for name, value in ema.state_dict().items():
        if value.is_floating_point():  # BatchNorm's running statistics are among them
            assert torch.allclose(value.double(), average[name], atol=1e-5), name
    assert not torch.equal(ema.state_dict()["out.3.weight"], model.state_dict()["out.3.weight"])


def test_seeds_and_the_global_random_state():
    before = torch.get_rng_state()
    model = copy.deepcopy(make_model())
    torch.set_rng_state(before)
    steps = run(model, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    same, other = run(make_model(), seed=3), run(make_model(), seed=4)
    assert [s.loss for s in steps] == [s.loss for s in same] != [s.loss for s in other]


def assert_same_tensors(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


@pytest.mark.parametrize(
    ("stop_at", "draw_t"), [(1, "uniform"), (5, "uniform"), (7, "uniform"), (14, "uniform"), (7, "middle")]
)
def test_a_resumed_run_is_the_same_bit_for_bit(stop_at, draw_t):
    """Stopped within an epoch and between two, and again after the resume."""
    go = partial(run, draw_t=draw_t)
    whole = go(make_model())[-1].run.tensors()
    saved = {k: v.clone() for k, v in go(make_model(), steps=stop_at)[-1].run.tensors().items()}
    resumed = go(make_model(seed=9), resume=saved)
    assert resumed[0].step == stop_at + 1
    assert_same_tensors(resumed[-1].run.tensors(), whole)
    twice = {k: v.clone() for k, v in go(make_model(1), resume=saved, steps=1)[-1].run.tensors().items()}
    rest = go(make_model(2), resume=twice)
    assert_same_tensors((rest[-1].run if rest else None).tensors() if rest else twice, whole)


def test_a_state_of_the_first_version_is_taken_up():
    """It kept the average in torch's AveragedModel, under other names."""
    saved = {k: v.clone() for k, v in run(make_model(), steps=2)[-1].run.tensors().items()}
    older = {k.replace("ema.", "ema.module."): v for k, v in saved.items()}
    assert older.keys() != saved.keys()
    older["ema.n_averaged"] = torch.tensor(2)
    resumed = run(make_model(seed=9), resume=older)[-1].run.tensors()
    assert_same_tensors(resumed, run(make_model(seed=8), resume=saved)[-1].run.tensors())


def test_sampling_between_steps_changes_nothing():
    """The caller may draw from the model, and leave it in evaluation mode, at each step."""
    plain = run(make_model())[-1].run.tensors()
    model = make_model()
    for step in train(model, schedule, make_data(), num_epochs=3, batch_size=8):
        model.eval()
        with torch.no_grad():
            step.run.ema_model(torch.randn(2, 1, 8, 8), torch.tensor([0.5]))
            model(torch.randn(2, 1, 8, 8), torch.tensor([0.5]))
    assert_same_tensors(step.run.tensors(), plain)


def test_a_loss_that_is_no_number_stops_before_the_weights_change():
    data = make_data()
    data.images[17] = float("inf")
    model = make_model()
    good = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(
        FloatingPointError, match=r"the loss is nan, its gradient nan at step \d: the rate 0.004"
    ):
        for _ in train(model, schedule, data, num_epochs=1, batch_size=8):
            good = {name: value.clone() for name, value in model.state_dict().items()}
    assert_same_tensors(dict(model.state_dict()), good)  # BatchNorm's averages as well


def test_a_gradient_that_is_no_number_stops_it_too(monkeypatch):
    def square_root_at_0(*arguments):
        losses = noise_prediction_loss(*arguments)
        return losses + (losses * 0).sqrt()  # 0, with an infinite slope

    monkeypatch.setattr("diffusion_lib.training.noise_prediction_loss", square_root_at_0)
    model = make_model()
    good = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(FloatingPointError, match="its gradient nan at step 1"):
        run(model)
    assert_same_tensors(dict(model.state_dict()), good)


def test_mixed_precision_rounds_the_convolutions_and_keeps_the_weights():
    exact = run(make_model(), num_epochs=1)
    mixed = run(make_model(), num_epochs=1, mixed_precision=True)
    assert all(p.dtype == torch.float32 for p in mixed[-1].run.model.parameters())
    assert mixed[-1].losses.dtype == torch.float32
    for a, b in zip(exact, mixed):
        assert a.loss != b.loss and b.loss == pytest.approx(a.loss, rel=0.02), "bfloat16 has 3 digits"


def test_a_mixed_run_resumes_to_the_same_bits():
    options = {"mixed_precision": True, "num_epochs": 1}
    whole = run(make_model(), **options)[-1].run.tensors()
    saved = {k: v.clone() for k, v in run(make_model(), steps=2, **options)[-1].run.tensors().items()}
    assert_same_tensors(run(make_model(seed=9), resume=saved, **options)[-1].run.tensors(), whole)


def test_a_model_in_float64():
    steps = run(make_model().double(), num_epochs=1)
    assert steps[-1].losses.dtype == torch.float64


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_epochs": 0}, "num_epochs must be at least 1, got 0"),
        ({"num_epochs": 1.5}, "num_epochs must be a whole number, got 1.5"),
        ({"batch_size": 8.0}, "batch_size must be a whole number, got 8.0"),
        ({"batch_size": 0}, r"batch_size must lie in 1 \.\. 40 \(all images\), got 0"),
        ({"batch_size": 41}, r"batch_size must lie in 1 \.\. 40"),
        ({"learning_rate": 0.0}, "learning_rate must be positive, got 0.0"),
        ({"learning_rate": float("nan")}, "learning_rate must be positive, got nan"),
        ({"context_dropout": 1.1}, "context_dropout must lie between 0 and 1, got 1.1"),
        ({"weighting": "snr"}, 'weighting must be "none", "debiased" or "clean", got \'snr\''),
        ({"draw_t": "log"}, 'draw_t must be "uniform", "middle" or "high", got \'log\''),
        ({"ema_decay": 1.0}, "ema_decay must lie between 0 and 1, 1 excluded, got 1.0"),
    ],
)
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        run(make_model(), **options)


def test_data_that_does_not_fit_the_model_is_refused():
    with pytest.raises(ValueError, match=r"the model takes images \(1, 16, 16\), the data has \(1, 8, 8\)"):
        run(ContextUnet(1, 8, 2, 16))
    with pytest.raises(ValueError, match="n_cfeat must be 2, the data's number of classes, got 5"):
        run(ContextUnet(1, 8, 5, 8))


def test_a_state_of_another_data_set_is_refused():
    saved = run(make_model(), steps=2)[-1].run.tensors()
    with pytest.raises(ValueError, match="resume must be of a run on 24 images, got 40"):
        run(make_model(), make_data(24), resume=saved)


def test_on_each_device(device):
    steps = run(make_model().to(device), num_epochs=1)
    assert len(steps) == 5 and steps[-1].losses.device.type == device.type

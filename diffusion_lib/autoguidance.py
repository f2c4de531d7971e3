"""Guidance by a second network: away from what it does worse."""

from torch import Tensor


def guided_by(guide, predict_noise, weight: float):
    """predict_noise(x_t, t) that goes `weight` times the way from one prediction to another.

    noise = guide(x_t, t) + weight * (predict_noise(x_t, t) - guide(x_t, t))

    (Karras et al. 2024, arXiv 2406.02507, eq. 3, there for denoisers.) Where guide is the same network
    without context, this is classifier-free guidance, which `guided` computes in one forward. Where it is a
    smaller or less trained network for the same data and schedule, it is autoguidance: if the two make
    mistakes of the same kinds, and the guide larger ones, a weight above 1 leads away from them.

    Both are functions of x_t (batch, ...) and t, as samplers call them, and give a tensor shaped like x_t.
    """

    def guided_noise(x_t: Tensor, t) -> Tensor:
        noise = guide(x_t, t)
        return noise + weight * (predict_noise(x_t, t) - noise)

    return guided_noise

"""What training cannot work with, said before it begins, and before ruined weights are saved."""

import torch


def check_arguments(
    model, data, num_epochs, batch_size, learning_rate, context_dropout, ema_decay, num_processes=1
) -> int:
    """The number of steps in an epoch; raises ValueError for what `train` cannot work with."""
    for name, value, fits, allowed in (
        ("num_epochs", num_epochs, num_epochs >= 1, "be at least 1"),
        ("num_epochs", num_epochs, isinstance(num_epochs, int), "be a whole number"),
        ("batch_size", batch_size, isinstance(batch_size, int), "be a whole number"),
        ("batch_size", batch_size, 1 <= batch_size <= len(data), f"lie in 1 .. {len(data)} (all images)"),
        (
            "batch_size",
            batch_size,
            batch_size % num_processes == 0,
            f"be divisible by {num_processes} processes",
        ),
        ("learning_rate", learning_rate, 0 < learning_rate < float("inf"), "be positive"),
        ("context_dropout", context_dropout, 0 <= context_dropout <= 1, "lie between 0 and 1"),
        ("ema_decay", ema_decay, 0 <= ema_decay < 1, "lie between 0 and 1, 1 excluded"),
    ):
        if not fits:
            raise ValueError(f"{name} must {allowed}, got {value}")
    config = getattr(model, "config", None)
    if config is not None:
        image = (config["in_channels"], config["height"], config["height"])
        if tuple(data.images.shape[1:]) != image:
            raise ValueError(f"the model takes images {image}, the data has {tuple(data.images.shape[1:])}")
        n_cfeat, classes = config["n_cfeat"], data.labels.shape[1]
        if n_cfeat != classes:
            raise ValueError(f"n_cfeat must be {classes}, the data's number of classes, got {n_cfeat}")
    return len(data) // batch_size


@torch.no_grad()
def check_weights(model, step: int) -> None:
    """Raises FloatingPointError if the last update has ruined the weights.

    Its loss was still finite, and what the weights now give is not: what was saved before must stay.
    """
    model.eval()
    image = next(model.parameters()).new_zeros(1, model.in_channels, model.height, model.height)
    if not model(image, image.new_ones(1)).isfinite().all():
        raise FloatingPointError(f"the weights are ruined at step {step}: the learning rate may be too high")

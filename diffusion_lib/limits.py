"""What training cannot work with, said before it begins."""


def check_arguments(model, data, num_epochs, batch_size, learning_rate, context_dropout, ema_decay) -> int:
    """The number of steps in an epoch; raises ValueError for what `train` cannot work with."""
    for name, value, fits, allowed in (
        ("num_epochs", num_epochs, num_epochs >= 1, "be at least 1"),
        ("num_epochs", num_epochs, isinstance(num_epochs, int), "be a whole number"),
        ("batch_size", batch_size, isinstance(batch_size, int), "be a whole number"),
        ("batch_size", batch_size, 1 <= batch_size <= len(data), f"lie in 1 .. {len(data)} (all images)"),
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

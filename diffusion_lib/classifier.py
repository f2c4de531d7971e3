"""A small classifier of the sprites. It judges samples and lends its features to the Fréchet distance.

It learns the 92 kinds (apple, wolf, potion ...) and not the five classes alone: features that only told
the classes apart would not notice a model that draws nothing but apples.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


class SpriteClassifier(nn.Module):
    """(batch, in_channels, height, width) in [-1, 1] -> (batch, number of classes) scores.

    class_of_kind gives each kind's class. `features` are (batch, num_features), `kind_scores` a linear
    function of them, and a class scores log(sum(exp(its kinds' scores))): its probability is their sum.
    """

    def __init__(self, class_of_kind: list[int], in_channels=3, num_features=64, width=32):
        super().__init__()
        self.num_features = num_features
        self.body = nn.Sequential(
            *_stage(in_channels, width),  # (batch, width, h, h)
            nn.MaxPool2d(2),
            *_stage(width, 2 * width),  # (batch, 2 width, h/2, h/2)
            *_stage(2 * width, 2 * width),
            nn.MaxPool2d(2),
            *_stage(2 * width, 4 * width),  # (batch, 4 width, h/4, h/4)
            *_stage(4 * width, 4 * width),
            nn.AdaptiveAvgPool2d(2),  # four quarters: where a thing is counts, too
            nn.Flatten(),
            nn.Linear(16 * width, num_features),
            nn.GELU(),
        )
        self.head = nn.Linear(num_features, len(class_of_kind))
        self.kinds_of_class = [
            [kind for kind, its_class in enumerate(class_of_kind) if its_class == wanted]
            for wanted in range(max(class_of_kind) + 1)
        ]

    def features(self, x: Tensor) -> Tensor:
        return self.body(x)

    def kind_scores(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))

    def forward(self, x: Tensor) -> Tensor:
        scores = self.kind_scores(x)
        return torch.stack([scores[:, kinds].logsumexp(dim=1) for kinds in self.kinds_of_class], dim=1)


def _stage(in_channels: int, out_channels: int) -> list[nn.Module]:
    convolution = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(out_channels), nn.GELU()]


def fit_classifier(model: SpriteClassifier, images: Tensor, kinds: Tensor, num_epochs: int, seed: int = 0):
    """Trains in place on images and their kinds (N,); yields the mean loss after each epoch.

    AdamW with a one-cycle learning rate up to 3e-3, batches of 128, and a shift of at most one pixel,
    so that the features look at forms and not at single places.
    """
    generator = torch.Generator().manual_seed(seed)
    batches = len(images) // 128
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.01)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=num_epochs * batches)
    for _ in range(num_epochs):
        model.train()
        total = 0.0
        for chosen in torch.randperm(len(images), generator=generator)[: batches * 128].view(batches, 128):
            down, right = torch.randint(-1, 2, (2,), generator=generator).tolist()
            shifted = functional.pad(images[chosen], (1, 1, 1, 1), value=1.0)  # 1 = white
            top, left, (height, width) = 1 + down, 1 + right, images.shape[2:]
            shifted = shifted[:, :, top : top + height, left : left + width]
            loss = functional.cross_entropy(model.kind_scores(shifted), kinds[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            total += loss.item()
        model.eval()
        yield total / batches

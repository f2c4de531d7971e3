"""What four changes to the network cost, each trained from scratch: the ablation that lesson 01 reports.

python benchmarks/unet_variants.py [num_steps] [num_seeds]

Prints the loss on held-out sprites, for each variant and seed. All variants of one seed see the same
images, noise and steps t in the same order. 16 features, batches of 32, Adam from 3e-3 in a line to 0.
"""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from diffusion_lib.checkpoints import load_checkpoint  # noqa: E402
from diffusion_lib.data import load_images  # noqa: E402
from diffusion_lib.training import noise_prediction_loss  # noqa: E402
from diffusion_lib.unet import ContextUnet  # noqa: E402

BATCH = 32


class Variant(ContextUnet):
    """ContextUnet with another way in for the context and the time, or without up0's map."""

    kind = ""

    def forward(self, x, t, c):
        x0 = self.init_conv(x)
        d1 = self.down1(x0)
        d2 = self.down2(d1)
        u = self.up0(self.to_vec(d2))
        u = torch.ones_like(u) if self.kind == "no up0" else u
        u = self.up1(self.join(u, self.contextembed1(c), self.timeembed1(t)), d2)
        u = self.up2(self.join(u, self.contextembed2(c), self.timeembed2(t)), d1)
        return self.out(torch.cat((u, x0), dim=1))

    def join(self, u, context, time):
        context, time = context[:, :, None, None], time[:, :, None, None]
        if self.kind == "t times, c plus":
            return time * u + context
        if self.kind == "both plus":
            return u + context + time
        return context * u + time


def main(num_steps: int = 3000, num_seeds: int = 2) -> None:
    """Trains and measures every variant with every seed."""
    schedule = load_checkpoint("small").schedule
    sprites, held_out = load_images("sprites"), load_images("sprites", split="held_out")
    held_out = held_out.subset(slice(0, None, max(1, len(held_out) // 1000)))
    for seed in range(num_seeds):
        for kind in ("c times, t plus", "t times, c plus", "both plus", "no up0"):
            torch.manual_seed(seed)
            model = Variant(3, n_feat=16, n_cfeat=5, height=16).to(memory_format=torch.channels_last)
            model.kind = kind
            optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
            generator = torch.Generator().manual_seed(seed)
            for step in range(num_steps):
                optimizer.param_groups[0]["lr"] = 3e-3 * (1 - step / num_steps)
                chosen = torch.randint(len(sprites), (BATCH,), generator=generator)
                loss = batch_loss(model, schedule, sprites.subset(chosen), generator)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            model.eval()
            with torch.no_grad():
                generator.manual_seed(1000)
                loss = sum(batch_loss(model, schedule, held_out, generator).item() for _ in range(8)) / 8
            print(f"seed {seed}  {kind:16} {loss:.4f}", flush=True)


def batch_loss(model, schedule, data, generator):
    """The mean loss of these images, at random t and with random noise."""
    noise = torch.randn(data.images.shape, generator=generator)
    t = torch.randint(1, schedule.num_steps + 1, (len(data),), generator=generator)
    return noise_prediction_loss(model, schedule, data.images, t, noise, data.labels).mean()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

"""The whole of notebook 08 worked out, as a learner would write it: from alpha_bar to DDIM, torch alone."""

import torch
from torch import nn


def make_alpha_bar(num_steps, beta_start, beta_end):
    beta = torch.linspace(beta_start, beta_end, num_steps, dtype=torch.float64)
    alpha_bar = torch.cumprod(1 - beta, dim=0)  # t = 1 .. T
    return torch.cat((torch.ones(1, dtype=torch.float64), alpha_bar))


def noised(alpha_bar, x_0, t, noise):
    share = alpha_bar[t].view(-1, 1, 1, 1)  # (batch, 1, 1, 1)
    image, rest = share.sqrt().to(x_0), (1 - share).sqrt().to(x_0)
    return image * x_0 + rest * noise


def block(channels_in, channels_out):
    layers = []
    for channels in (channels_in, channels_out):
        layers.append(nn.Conv2d(channels, channels_out, kernel_size=3, padding=1))
        layers += [nn.BatchNorm2d(channels_out), nn.GELU()]
    return nn.Sequential(*layers)


def embedding(size, channels):
    layers = [nn.Linear(size, channels), nn.GELU(), nn.Linear(channels, channels)]
    return nn.Sequential(*layers, nn.Unflatten(1, (channels, 1, 1)))


class TinyUnet(nn.Module):
    def __init__(self, num_classes, width=32):
        super().__init__()
        self.enter = block(3, width)
        self.shrink = nn.MaxPool2d(2)
        self.down1, self.down2 = block(width, width), block(width, 2 * width)
        self.time1, self.time2 = embedding(1, 2 * width), embedding(1, width)
        self.class1 = embedding(num_classes, 2 * width)
        self.class2 = embedding(num_classes, width)
        self.up1 = nn.ConvTranspose2d(2 * width, width, kernel_size=2, stride=2)
        self.join1 = block(2 * width, width)
        self.up2 = nn.ConvTranspose2d(width, width, kernel_size=2, stride=2)
        self.join2 = block(2 * width, width)
        self.out = nn.Conv2d(width, 3, kernel_size=3, padding=1)

    def forward(self, x, t, c):
        t = t.view(-1, 1)
        full = self.enter(x)  # (batch, width, 16, 16)
        half = self.down1(self.shrink(full))  # (batch, width, 8, 8)
        u = self.down2(self.shrink(half))  # (batch, 2 * width, 4, 4)
        u = self.up1(self.class1(c) * u + self.time1(t))  # (batch, width, 8, 8)
        u = self.join1(torch.cat((u, half), dim=1))
        u = self.up2(self.class2(c) * u + self.time2(t))  # (batch, width, 16, 16)
        u = self.join2(torch.cat((u, full), dim=1))
        return self.out(u)  # (batch, 3, 16, 16)


def training_loss(network, alpha_bar, x_0, c, generator):
    T, batch = len(alpha_bar) - 1, len(x_0)
    t = torch.randint(1, T + 1, (batch,), generator=generator)
    noise = torch.randn(x_0.shape, generator=generator)
    keep = torch.rand(batch, 1, generator=generator) >= 0.1  # 1 = keep
    x_t = noised(alpha_bar, x_0, t, noise)
    return (network(x_t, t / T, c * keep) - noise).square().mean()


def train_network(network, images, labels, alpha_bar, num_steps):
    generator, losses = torch.Generator().manual_seed(0), []
    optimizer = torch.optim.Adam(network.parameters(), lr=4e-3)
    network.train()
    for step in range(num_steps):
        optimizer.param_groups[0]["lr"] = 4e-3 * (1 - step / num_steps)
        some = torch.randint(len(images), (32,), generator=generator)
        loss = training_loss(network, alpha_bar, images[some], labels[some], generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    network.eval()
    return losses


def guided_noise(network, x, t, T, c, weight):
    fraction = torch.full((len(x),), t / T)
    with torch.no_grad():
        without = network(x, fraction, torch.zeros_like(c))
        return without + weight * (network(x, fraction, c) - without)


def ddpm_sample(predict_noise, alpha_bar, x_T, generator):
    x = x_T
    for t in range(len(alpha_bar) - 1, 0, -1):
        alpha = alpha_bar[t] / alpha_bar[t - 1]
        share = (1 - alpha) / (1 - alpha_bar[t]).sqrt()
        x = (x - share * predict_noise(x, t)) / alpha.sqrt()
        if t > 1:
            fresh = torch.randn(x.shape, generator=generator, dtype=x.dtype)
            x = x + (1 - alpha).sqrt() * fresh
    return x


def ddim_sample(predict_noise, alpha_bar, x_T, num_steps):
    T, x = len(alpha_bar) - 1, x_T
    for i in range(num_steps):
        t, t_next = (round(T * (num_steps - j) / num_steps) for j in (i, i + 1))
        image, rest = alpha_bar[t].sqrt(), (1 - alpha_bar[t]).sqrt()
        clean = (x - rest * predict_noise(x, t)) / image
        clean = clean.clamp(-1, 1)
        noise = (x - image * clean) / rest  # the noise that belongs to it
        x = alpha_bar[t_next].sqrt() * clean + (1 - alpha_bar[t_next]).sqrt() * noise
    return x

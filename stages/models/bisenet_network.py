"""BiSeNet for face parsing, with the parameter names of the published checkpoint; needs PyTorch.

The network of https://arxiv.org/abs/1808.00897 as https://github.com/zllrunning/face-parsing.PyTorch trained it on
CelebAMask-HQ: a ResNet-18 is the context path, and its features at 1/8 stand in for the paper's spatial path.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

CLASSES = 19


class ConvNormAct(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(self, inner: int, outer: int, kernel: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inner, outer, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outer)

    def forward(self, x: Tensor) -> Tensor:
        """[n, inner, h, w] to [n, outer, h, w]."""
        return functional.relu(self.bn(self.conv(x)))


class Residual(nn.Module):
    """The basic block of a ResNet: two 3x3 convolutions beside a shortcut (https://arxiv.org/abs/1512.03385)."""

    def __init__(self, inner: int, outer: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inner, outer, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outer)
        self.conv2 = nn.Conv2d(outer, outer, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outer)
        same = inner == outer and stride == 1
        projection = nn.Sequential(nn.Conv2d(inner, outer, 1, stride, bias=False), nn.BatchNorm2d(outer))
        self.downsample = None if same else projection

    def forward(self, x: Tensor) -> Tensor:
        """[n, inner, h, w] to [n, outer, h / stride, w / stride]."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(x)) + shortcut)


class ResNet18(nn.Module):
    """ResNet-18 up to its last features; without a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(Residual(64, 64), Residual(64, 64))
        self.layer2 = nn.Sequential(Residual(64, 128, 2), Residual(128, 128))
        self.layer3 = nn.Sequential(Residual(128, 256, 2), Residual(256, 256))
        self.layer4 = nn.Sequential(Residual(256, 512, 2), Residual(512, 512))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[n, 3, h, w] to features of 128, 256 and 512 channels at 1/8, 1/16 and 1/32."""
        x = functional.max_pool2d(functional.relu(self.bn1(self.conv1(x))), 3, 2, padding=1)
        eighth = self.layer2(self.layer1(x))
        sixteenth = self.layer3(eighth)
        return eighth, sixteenth, self.layer4(sixteenth)


class AttentionRefinement(nn.Module):
    """Features weighted channel by channel by what the whole picture shows."""

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.conv = ConvNormAct(inner, outer)
        self.conv_atten = nn.Conv2d(outer, outer, 1, bias=False)
        self.bn_atten = nn.BatchNorm2d(outer)

    def forward(self, x: Tensor) -> Tensor:
        """[n, inner, h, w] to [n, outer, h, w]."""
        x = self.conv(x)
        return x * torch.sigmoid(self.bn_atten(self.conv_atten(functional.adaptive_avg_pool2d(x, 1))))


class ContextPath(nn.Module):
    """What is where, coarsely: from the whole picture down to 1/8 of its resolution."""

    def __init__(self) -> None:
        super().__init__()
        self.resnet = ResNet18()
        self.arm16 = AttentionRefinement(256, 128)
        self.arm32 = AttentionRefinement(512, 128)
        self.conv_head32 = ConvNormAct(128, 128)
        self.conv_head16 = ConvNormAct(128, 128)
        self.conv_avg = ConvNormAct(512, 128, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[n, 3, h, w], h and w multiples of 32, to the ResNet's and the context's features [n, 128, h / 8, w / 8]."""
        eighth, sixteenth, last = self.resnet(x)
        coarse = self.arm32(last) + self.conv_avg(functional.adaptive_avg_pool2d(last, 1))
        middle = self.arm16(sixteenth) + self.conv_head32(functional.interpolate(coarse, scale_factor=2.0))
        context: Tensor = self.conv_head16(functional.interpolate(middle, scale_factor=2.0))
        return eighth, context


class FeatureFusion(nn.Module):
    """Joins two sets of features and strengthens the channels that matter."""

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.convblk = ConvNormAct(inner, outer, 1)
        self.conv1 = nn.Conv2d(outer, outer // 4, 1, bias=False)
        self.conv2 = nn.Conv2d(outer // 4, outer, 1, bias=False)

    def forward(self, spatial: Tensor, context: Tensor) -> Tensor:
        """Two [n, inner / 2, h, w] to [n, outer, h, w]."""
        x: Tensor = self.convblk(torch.cat([spatial, context], dim=1))
        weight = functional.relu(self.conv1(functional.adaptive_avg_pool2d(x, 1)))
        return x + x * torch.sigmoid(self.conv2(weight))


class Head(nn.Module):
    """Features to scores of the classes."""

    def __init__(self, inner: int, middle: int) -> None:
        super().__init__()
        self.conv = ConvNormAct(inner, middle)
        self.conv_out = nn.Conv2d(middle, CLASSES, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[n, inner, h, w] to [n, 19, h, w]."""
        scores: Tensor = self.conv_out(self.conv(x))
        return scores


class BiSeNet(nn.Module):
    """The whole network. `conv_out16` and `conv_out32` served its training: they are loaded, and never run."""

    def __init__(self) -> None:
        super().__init__()
        self.cp = ContextPath()
        self.ffm = FeatureFusion(256, 256)
        self.conv_out = Head(256, 256)
        self.conv_out16 = Head(128, 64)
        self.conv_out32 = Head(128, 64)

    def forward(self, x: Tensor) -> Tensor:
        """Normalized RGB [n, 3, h, w], h and w multiples of 32, to scores of the classes [n, 19, h, w]."""
        scores = self.conv_out(self.ffm(*self.cp(x)))
        return functional.interpolate(scores, x.shape[2:], mode="bilinear", align_corners=True)


class Parser(nn.Module):
    """From pixels to labels: ImageNet's normalization before a `BiSeNet`, the class of the highest score after it."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, network: BiSeNet) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", 255 * torch.tensor([0.485, 0.456, 0.406]).reshape(3, 1, 1))
        self.register_buffer("deviation", 255 * torch.tensor([0.229, 0.224, 0.225]).reshape(3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """RGB float32 [n, 3, h, w] in 0..255 to labels uint8 [n, h, w]."""
        return torch.argmax(self.network((x - self.mean) / self.deviation), dim=1).to(torch.uint8)

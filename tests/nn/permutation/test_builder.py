"""Collecting the tensors of one set of channels."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sge.errors import UnsupportedNetworkError
from sge.nn.permutation.builder import SharedChannelsBuilder


def test_producers_and_norms_index_by_the_first_dimension_and_consumers_by_the_second():
    producer, norm, consumer = nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8), nn.Linear(8, 5)
    vector = torch.ones(8)
    channels = (
        SharedChannelsBuilder("block", 8)
        .add_block("block")
        .add_producer(producer)
        .add_per_channel(nn.Sequential(norm, nn.ReLU(), nn.MaxPool2d(2)))
        .add_vector(vector)
        .add_consumer(consumer)
        .build()
    )
    first = [
        producer.weight,
        producer.bias,
        norm.weight,
        norm.bias,
        norm.running_mean,
        norm.running_var,
        vector,
    ]
    assert [id(tensor) for tensor in channels.first_dimension] == [id(tensor) for tensor in first]
    assert [id(tensor) for tensor in channels.second_dimension] == [id(consumer.weight)]
    assert (channels.blocks, channels.channels) == (("block",), 8)


@pytest.mark.parametrize(
    ("add", "message"),
    [
        (lambda builder: builder.add_producer(nn.Conv2d(8, 8, 1, groups=2)), "convolves in groups"),
        (lambda builder: builder.add_consumer(nn.Conv2d(6, 8, 1)), "it has 6 channels there, not 8"),
        (lambda builder: builder.add_producer(nn.ReLU()), "no convolution or linear layer"),
        (lambda builder: builder.add_per_channel(nn.Conv2d(8, 8, 1)), "mixes channels"),
        (lambda builder: builder.add_per_channel(nn.Linear(8, 8)), "not known to treat each channel alike"),
        (lambda builder: builder.add_channel_attention(nn.ReLU()), "what it does to them is not known"),
    ],
)
def test_a_layer_that_ties_channels_is_refused_when_building(add, message):
    builder = add(SharedChannelsBuilder("layer9", 8)).refuse(nn.ReLU(), "a later reason")
    with pytest.raises(UnsupportedNetworkError, match=rf"layer9 cannot be permuted .*{message}"):
        builder.build()

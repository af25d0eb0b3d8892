"""Clients that ask for pages without a server."""

import contextlib

import pytest
from starlette.testclient import TestClient

from pipeline.inspection.locations import open_location
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.web import app


@pytest.fixture
def ask():
    """Makes a client for a root, or for a store alone."""
    with contextlib.ExitStack() as opened:

        def client(root, metadata=None, host="127.0.0.1", pipeline=PIPELINE, **options):
            place = opened.enter_context(open_location(pipeline, metadata, root))
            return TestClient(
                app.build(place, host, **options), base_url="http://localhost:8000", follow_redirects=False
            )

        yield client


@pytest.fixture
def site(filled, ask):
    """A client for the filled root."""
    return ask(filled.root)

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest
from PIL import Image
from pydantic import ValidationError

from app.admission import Admission
from app.engine import Engine
from app.errors import ProblemError
from app.metrics import Metrics
from app.settings import PREFIX, Settings, explain
from app.settings_access import LOOPBACK_HOSTS, hosts_of
from app.settings_connections import ConnectionSettings
from app.uploads import Upload
from sge.models import model_name
from tests.app.asking import check_problem, jpeg, post
from tests.app.conftest import running

WRONG = {
    "MAX_BYTES": ["0", "-1", "20 MiB", "", "1.5"],
    "MAX_PIXELS": ["0", "many", str(int(Image.MAX_IMAGE_PIXELS or 0) + 1)],
    "MAX_BATCH": ["0", "x"],
    "MAX_ADMITTED_BYTES": ["0", "-3"],
    "TIME_LIMIT_S": ["0", "-1", "nan", "inf", "1e9", "soon"],
    "THREADS": ["-1", "two"],
    "ENCODE_THREADS": ["0"],
    "PORT": ["-1", "65536", "http"],
    "HOST": [""],
    "FRAME_ANCESTORS": [
        "",
        ",",
        "*",
        "none,self",
        "example.org",
        "https://example.org/page",
        "https://example.org;script-src *",
        "https://example.org https://b.org",
        "https://example.org\r\nX-Header: 1",
        "https://",
        "https://*",
        "https://user@example.org",
        "https://example.org:port",
        "ftp://example.org",
        "javascript:alert(1)",
        "https://a.org,'unsafe'",
    ],
    "API_KEY": ["", "two words", "a,b", "a:b", "schl\u00fcssel", "k\r\nX: 1", "k" * 513],
    "ALLOWED_HOSTS": [
        "",
        " , ",
        "http://a.org",
        "a.org:80",
        "a.org/x",
        "a org",
        "*a.org",
        "a.org\r\nX: 1",
        "**",
        "a..b",
    ],
    "CORS_ORIGINS": ["example.org", "https://a.org/", "null", "https://a.org b", "**", "ftp://a.org", "self"],
    "ROOT_PATH": [
        "lens",
        "//a",
        "/a//b",
        "/a/../b",
        "/.",
        "/a?b",
        "/a b",
        "/api",
        "/static/x",
        "/v2/",
        "/a\r\nb",
    ],
    "TRUSTED_PROXIES": ["localhost", "10.0.0.1/8", "10.0.0.0/33", "1.2.3", "a,b", "127.0.0.1:80"],
    "METRICS_PORT": ["-1", "65536", "x"],
    "OTLP_ENDPOINT": ["localhost:4318", "ftp://a", "http://", "http://a:x", "//a"],
    "PRECISION": ["int8", "Float32"],
    "MODELS": ["", " , ", "a,a", "/x/dog.safetensors,/y/dog.safetensors", "dog,/y/dog.pth.tar"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in WRONG for value in WRONG[name]])
def test_a_wrong_value_is_named_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(ValidationError) as caught:
        Settings()
    (sentence,) = explain(caught.value)
    assert sentence.startswith(f"SGE_{name} is ")
    assert sentence.endswith(".")
    assert "Value error" not in sentence


def test_every_setting_is_read_from_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {
        "models": "sge_resnet50, /data/My dogs.v2.pth.tar ,",
        "device": "cuda:1",
        "precision": "bfloat16",
        "host": "0.0.0.0",
        "port": "81",
        "max_bytes": "1000",
        "max_pixels": "2000",
        "max_batch": "3",
        "backend": "torch",
        "max_admitted_bytes": "4",
        "time_limit_s": "5.5",
        "threads": "6",
        "encode_threads": "7",
        "api_key": "Secret-1",
        "allowed_hosts": "Lens.example.org,*.example.org, ::1",
        "cors_origins": "https://Example.org:8443",
        "root_path": "/lens/",
        "trusted_proxies": "127.0.0.1,10.0.0.0/8,::1",
        "metrics_port": "9100",
        "otlp_endpoint": "http://localhost:4318",
        "workers": "4",
        "image_cpu_s": "5.0",
        "image_wall_s": "7.5",
        "image_memory": "400000000",
        "max_side": "5000",
        "max_segments": "9",
        "max_data_blocks": "10",
        "max_frames": "11",
        "max_scan_pixels": "12",
        "max_metadata": "13",
        "jpeg_draft": "True",
        "frame_ancestors": "'self', https://Example.org:8443,http://localhost:8080,https://*.a-b.example",
    }
    assert set(given) == set(Settings.model_fields) - set(ConnectionSettings.model_fields)
    for name, value in given.items():
        monkeypatch.setenv(PREFIX + name.upper(), value)
    read = Settings()
    assert read.models == ["sge_resnet50", "/data/My dogs.v2.pth.tar"]
    assert read.sources == {"sge_resnet50": "sge_resnet50", "My dogs": "/data/My dogs.v2.pth.tar"}
    assert read.frame_ancestors == [
        "'self'",
        "https://example.org:8443",
        "http://localhost:8080",
        "https://*.a-b.example",
    ]
    assert read.api_key is not None
    assert read.api_key.get_secret_value() == "Secret-1"
    assert "Secret-1" not in repr(read)
    assert read.allowed_hosts == ["lens.example.org", "*.example.org", "[::1]"]
    assert read.cors_origins == ["https://example.org:8443"]
    assert read.root_path == "/lens"
    assert read.trusted_proxies == ["127.0.0.1", "10.0.0.0/8", "::1"]
    other = (
        "models",
        "frame_ancestors",
        "api_key",
        "allowed_hosts",
        "cors_origins",
        "root_path",
        "trusted_proxies",
    )
    for name, value in given.items():
        if name not in other:
            assert str(getattr(read, name)) == value


@pytest.mark.parametrize("key", WRONG["API_KEY"])
def test_a_refused_key_is_not_printed(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("SGE_API_KEY", key)
    with pytest.raises(ValidationError) as caught:
        Settings()
    (sentence,) = explain(caught.value)
    assert sentence.startswith("SGE_API_KEY is not usable: the key ")
    assert not key or key not in sentence


@pytest.mark.parametrize(
    ("host", "allowed", "names"),
    [
        ("127.0.0.1", ["auto"], LOOPBACK_HOSTS),
        ("127.8.8.8", ["auto"], LOOPBACK_HOSTS),
        ("::1", ["auto", "a.org"], ["a.org", *LOOPBACK_HOSTS]),
        ("localhost", ["auto"], LOOPBACK_HOSTS),
        ("0.0.0.0", ["auto"], None),
        ("::", ["auto", "a.org"], None),
        ("192.0.2.1", ["a.org"], ["a.org"]),
        ("127.0.0.1", ["*"], None),
    ],
)
def test_the_hosts_of_auto_follow_the_address(host: str, allowed: list[str], names: list[str] | None) -> None:
    assert hosts_of(allowed, host) == names


def test_the_defaults_are_those_of_the_design() -> None:
    defaults = Settings()
    assert defaults.models == ["sge_efficientnet_lite0_tuned", "sge_efficientnet_lite0", "sge_resnet18_pets"]
    assert (defaults.host, defaults.port) == ("127.0.0.1", 8000)
    assert (defaults.max_bytes, defaults.max_pixels) == (20 * 1024 * 1024, 50_000_000)
    assert defaults.frame_ancestors == ["'none'"]
    assert all(field.description for field in Settings.model_fields.values())


@pytest.mark.parametrize("value", ["none", "'none'", " None "])
def test_no_site_may_embed_the_page(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SGE_FRAME_ANCESTORS", value)
    assert Settings().frame_ancestors == ["'none'"]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("sge_resnet50", "sge_resnet50"),
        ("weights.safetensors", "weights"),
        ("./dir/a.b.pth.tar", "a"),
        ("/x/model", "model"),
        ("resnet.v2", "resnet.v2"),
        ("timm:resnet50", "resnet50"),
        ("timm:resnet50.a1_in1k?where=layer4", "resnet50.a1_in1k"),
        ("timm:resnet50?groups=32@/secret/my.weights.pth", "my"),
    ],
)
def test_clients_learn_a_files_stem_and_not_its_folder(source: str, name: str) -> None:
    assert model_name(source) == name


def test_a_network_that_cannot_be_named_is_refused_at_the_start() -> None:
    with pytest.raises(ValidationError) as error:
        Settings(models=["timm:../resnet50@file.pth"])
    (sentence,) = explain(error.value)
    assert "is no name of a network" in sentence


def test_an_option_that_commas_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SGE_MODELS", "timm:resnet50?where=layer3,layer4@file.pth")
    with pytest.raises(ValidationError) as error:
        Settings()
    (sentence,) = explain(error.value)
    assert "'layer4@file.pth' names no library. Commas separate models" in sentence
    monkeypatch.setenv(
        "SGE_MODELS", "timm:resnet50?where=layer3%2Clayer4@a.pth,timm:resnet18?groups=8,b@c.pth"
    )
    with pytest.raises(ValidationError, match="names no library"):
        Settings()
    monkeypatch.setenv("SGE_MODELS", "timm:resnet50?where=layer3%2Clayer4@a.pth,timm:resnet18@b.pth")
    assert list(Settings().sources) == ["a", "b"]


def test_the_first_model_is_the_default() -> None:
    engine = Engine(Settings(models=["b", "a"]), Metrics())
    assert engine.default == "b"
    assert engine.slot(None).name == engine.slot("").name == "b"


# Each limit is honored when it comes from the environment; batch, queue, time and threads have their tests
# in test_engine.py and test_errors.py.


@pytest.mark.slow
def test_bytes_and_pixels_from_the_environment_are_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    small, large, heavy = jpeg(size=(30, 20)), jpeg(size=(40, 20)), jpeg(size=(30, 20)) + bytes(2000)
    monkeypatch.setenv("SGE_MAX_BYTES", str(max(len(small), len(large))))
    monkeypatch.setenv("SGE_MAX_PIXELS", "600")
    with running() as started:
        assert post(started.client, "predict", small).status_code == 200
        assert "0.0006 million pixels" in check_problem(post(started.client, "predict", large), 413)["detail"]
        check_problem(post(started.client, "predict", heavy), 413)


def test_the_bytes_of_uploads_from_the_environment_are_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SGE_MAX_ADMITTED_BYTES", "3000")
    monkeypatch.setenv("SGE_MAX_BYTES", "1000")
    engine = Engine(Settings(models=["a"]), Metrics())
    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(engine.admissions.admit(Admission(Upload(bytes(1000), None), "predict", 1e9)))
        with pytest.raises(ProblemError, match="images are waiting"):
            held.enter_context(engine.admissions.admit(Admission(Upload(b"1", None), "predict", 1e9)))


@pytest.mark.slow
def test_the_device_and_the_precision_are_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SGE_DEVICE", "cpu")
    monkeypatch.setenv("SGE_PRECISION", "bfloat16")
    with running() as started:
        described = started.client.get("/api/v1/models").json()[0]
        assert (described["device"], described["precision"]) == ("cpu", "bfloat16")
        assert post(started.client, "predict", jpeg()).status_code == 200

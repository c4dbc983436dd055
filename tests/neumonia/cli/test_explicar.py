"""``neumonia explicar``: una probabilidad, un mapa y la advertencia de que no es un diagnóstico."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neumonia.explain import NOTICE, REPORT, UNCHECKED
from neumonia.likeness import likeness_of


@pytest.fixture
def films(trained, tmp_path) -> list[Path]:
    """Tres radiografías del estudio, guardadas como archivos."""
    folder = tmp_path / "entrada"
    folder.mkdir()
    paths = []
    for row in (0, 40, 80):
        path = folder / f"film-{row}.png"
        Image.fromarray(np.asarray(trained.study.images[row])).save(path)
        paths.append(path)
    return paths


@pytest.fixture
def in_study(trained, monkeypatch) -> None:
    trained.enter(monkeypatch)


@pytest.fixture(scope="module")
def saved_cnn(trained) -> Path:
    return trained.study.model_path("cnn")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def only_warnings(err: str) -> bool:
    return all(line.startswith("aviso: film-") for line in err.splitlines())


def written_warnings(folder: Path) -> list[str]:
    """Los avisos de cada JSON, en el orden y la forma en que los escribe la orden."""
    found = []
    for path in sorted(folder.glob("*.json"), key=lambda item: item.stem):
        record = json.loads(path.read_text(encoding="utf-8"))
        found += [f"aviso: {record['image']}: {text}" for text in record["warnings"]]
    return found


@pytest.mark.parametrize("name", ["cnn", "vgg16"])
def test_con_el_modelo_del_estudio(run, in_study, trained, films, tmp_path, name):
    result = run("explicar", *films, "--modelo", name, "--salida", tmp_path / "mapas")
    assert result.code == 0 and only_warnings(result.err)
    assert sorted(result.err.splitlines()) == sorted(written_warnings(tmp_path / "mapas"))
    assert f"Informe: {(tmp_path / 'mapas' / REPORT).resolve()}" in result.out
    assert UNCHECKED not in result.out
    assert NOTICE in result.out and "No es un diagnóstico" in result.out
    rule = likeness_of(trained.study).rule
    for row, path in zip((0, 40, 80), films, strict=True):
        record = json.loads((tmp_path / "mapas" / f"{path.stem}.json").read_text(encoding="utf-8"))
        expected = trained.study.predictions.loc[row, f"p_{name}"]
        assert record["probability_pneumonia"] == pytest.approx(expected, rel=1e-4)
        assert f"{path.name}: p(PNEUMONIA) = {expected:.3f}" in result.out
        assert record["notice"] == NOTICE
        assert record["model"]["name"] == name
        assert record["model"]["product"] == trained.study.product(name).key
        assert record["model"]["trained_on"] == trained.study.config.identity()
        film = record["checks"]["film"]
        assert film["passed"], "las tres son de entrenamiento"
        assert film["novelty_limit"] == pytest.approx(rule.novelty.value, abs=1e-4)
        with Image.open(tmp_path / "mapas" / record["map"]["file"]) as image:
            assert image.format == "PNG" and image.mode == "RGB"
    layer = {"cnn": "conv4", "vgg16": "vgg16/block5_conv3"}[name]
    assert record["map"]["layer"] == layer


def test_con_un_archivo_y_hacia_la_otra_clase(run, saved_cnn, trained, films, tmp_path):
    result = run(
        "explicar", films[0].parent, "--archivo", saved_cnn, "--objetivo", "NORMAL",
        "--salida", tmp_path / "mapas",
    )  # fmt: skip
    assert result.code == 0 and only_warnings(result.err) and UNCHECKED in result.out
    report = (tmp_path / "mapas" / REPORT).read_bytes()
    record = json.loads((tmp_path / "mapas" / "film-0.json").read_text(encoding="utf-8"))
    assert record["map"]["target"] == "NORMAL" and record["checks"]["film"] is None
    assert record["model"]["file"] == "model.keras" and len(record["model"]["sha256"]) == 64
    expected = trained.study.predictions.loc[0, "p_cnn"]
    assert record["probability_pneumonia"] == pytest.approx(expected, rel=1e-4)
    again = run(
        "explicar", films[0].parent, "--archivo", saved_cnn, "--objetivo", "NORMAL",
        "--salida", tmp_path / "mapas",
    )  # fmt: skip
    assert (again.out, again.err) == (result.out, result.err), "repetir la orden da lo mismo"
    assert (tmp_path / "mapas" / REPORT).read_bytes() == report


def test_con_un_archivo_y_un_estudio_se_comprueba_tambien_la_imagen(
    run, in_study, saved_cnn, trained, films, tmp_path
):
    upside = tmp_path / "film-volcada.png"
    Image.fromarray(np.asarray(trained.study.images[0])[::-1]).save(upside)
    noise = tmp_path / "film-ruido.png"
    pixels = np.random.default_rng(0).integers(0, 256, (50, 60, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(noise)
    result = run(
        "explicar", films[0], upside, noise, "--archivo", saved_cnn, "--datos", "maqueta",
        "--salida", tmp_path / "mapas",
    )  # fmt: skip
    assert result.code == 0, "un aviso no es un fallo"
    assert UNCHECKED not in result.out and only_warnings(result.err)
    assert "aviso: film-volcada.png: Parece una radiografía volcada" in result.err
    assert "aviso: film-ruido.png: No se parece a las radiografías de entren" in result.err
    assert "Tiene color" in result.err
    report = (tmp_path / "mapas" / REPORT).read_text(encoding="utf-8")
    assert "Parece una radiografía volcada" in report
    assert "radiografía de prueba (falsa alarma)" in report and "tablero de ajedrez" in report
    found = json.loads((tmp_path / "mapas" / "film-ruido.json").read_text(encoding="utf-8"))
    assert {"novelty", "colour"} <= set(found["checks"]["film"]["reasons"])


def test_con_otro_metodo_y_otra_capa(run, saved_cnn, films, tmp_path):
    options = ("explicar", films[0], "--archivo", saved_cnn, "--salida", tmp_path / "mapas")
    done = run(*options, "--metodo", "hires_cam", "--capa", "conv3")
    assert done.code == 0 and only_warnings(done.err)
    record = json.loads((tmp_path / "mapas" / "film-0.json").read_text(encoding="utf-8"))
    assert (record["map"]["method"], record["map"]["layer"]) == ("HiResCAM", "conv3")
    wrong = run(*options, "--capa", "conv9")
    assert wrong.code == 1 and "conv1, conv2, conv3, conv4" in wrong.err


def test_una_imagen_danada_sale_con_uno_pero_las_demas_se_escriben(run, saved_cnn, films, tmp_path):
    folder = films[0].parent
    (folder / "cortada.png").write_bytes(films[0].read_bytes()[:120])
    (folder / "vacia.jpg").touch()
    noise = np.random.default_rng(0).integers(0, 65536, (60, 70))
    Image.fromarray(noise.astype(np.uint16)).save(folder / "profunda.png")
    Image.fromarray(noise.astype(np.uint8)).convert("RGBA").save(folder / "color.png")
    result = run("explicar", folder, "--archivo", saved_cnn, "--salida", tmp_path / "mapas")
    assert result.code == 1
    lines = [line for line in result.err.splitlines() if not line.startswith("aviso: ")]
    assert len(lines) == 3 and lines[-1] == "2 de 7 imágenes no se pudieron leer."
    assert "cortada.png" in lines[0] and "vacia.jpg" in lines[1]
    good = ["color", "film-0", "film-40", "film-80", "profunda"]
    expected = [f"{n}.{e}" for n in good for e in ("json", "png")]
    assert names(tmp_path / "mapas") == sorted([*expected, REPORT])
    report = (tmp_path / "mapas" / REPORT).read_text(encoding="utf-8")
    assert "2 que no se pudieron leer" in report and "cortada.png" in report


def test_una_imagen_enorme_se_aparta_sin_leerla(run, saved_cnn, films, tmp_path):
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0" * 99))
    (tmp_path / "enorme.png").write_bytes(bomb + chunk(b"IEND", b""))
    result = run(
        "explicar", tmp_path / "enorme.png", "--archivo", saved_cnn, "--salida", tmp_path / "mapas"
    )
    assert result.code == 1 and "enorme.png" in result.err and "píxeles" in result.err
    assert names(tmp_path / "mapas") == [REPORT]
    assert "declara" in (tmp_path / "mapas" / REPORT).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "no-esta.png", "No existe"),
        (lambda folder: folder, "no hay imágenes PNG ni JPEG"),
    ],
)
def test_sin_imagenes_no_se_carga_ningun_modelo(run, tmp_path, monkeypatch, make, message):
    monkeypatch.setattr("neumonia.cli.explain._from_file", lambda options: 1 / 0)
    (tmp_path / "entrada").mkdir()
    result = run(
        "explicar", make(tmp_path / "entrada"), "--archivo", "x.keras", "--salida", tmp_path / "m"
    )
    assert result.code == 1 and message in result.err


def test_no_se_pisan_las_imagenes_de_entrada(run, films, saved_cnn):
    before = films[0].read_bytes()
    result = run("explicar", films[0], "--archivo", saved_cnn, "--salida", films[0].parent)
    assert result.code == 1 and "carpeta de salida" in result.err
    assert films[0].read_bytes() == before


@pytest.mark.parametrize("kind", ["vacio", "texto", "zip", "truncado", "carpeta", "falta", "h5"])
def test_un_archivo_que_no_es_un_modelo(run, films, saved_cnn, tmp_path, kind):
    path = tmp_path / ("modelo.h5" if kind == "h5" else "modelo.keras")
    if kind == "carpeta":
        path.mkdir()
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", "{}")
    elif kind != "falta":
        content = {"truncado": saved_cnn.read_bytes()[:5000], "vacio": b""}
        path.write_bytes(content.get(kind, b"no soy un modelo"))
    result = run("explicar", films[0], "--archivo", path, "--salida", tmp_path / "mapas")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("neumonia: ") and path.name in result.err
    assert "No existe el modelo" in result.err or "no es un modelo de Keras" in result.err
    assert not (tmp_path / "mapas").exists()


@pytest.mark.parametrize(
    ("shape", "layers"),
    [
        ((32, 32, 3), 1),
        ((32, 40, 1), 1),
        ((None, None, 1), 1),
        ((32,), 1),
        ((32, 32, 1), 2),
    ],
)
def test_un_modelo_con_otra_entrada_se_rechaza(run, films, tmp_path, shape, layers):
    import keras

    inputs = [keras.Input(shape) for _ in range(layers)]
    joined = keras.layers.Concatenate()(inputs) if layers > 1 else inputs[0]
    output = keras.layers.Dense(1)(joined)
    keras.Model(inputs, output).save(tmp_path / "otro.keras")
    result = run(
        "explicar", films[0], "--archivo", tmp_path / "otro.keras", "--salida", tmp_path / "mapas"
    )
    assert result.code == 1 and "(N, S, S, 1)" in result.err
    assert not (tmp_path / "mapas").exists()


def test_un_modelo_que_no_da_un_solo_valor_se_rechaza(run, films, tmp_path):
    import keras

    keras.Sequential(
        [
            keras.Input((32, 32, 1)),
            keras.layers.Conv2D(2, 3),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ]
    ).save(tmp_path / "tres.keras")
    result = run(
        "explicar", films[0], "--archivo", tmp_path / "tres.keras", "--salida", tmp_path / "mapas"
    )
    assert result.code == 1 and "un solo valor por imagen" in result.err
    assert not (tmp_path / "mapas").exists()


@pytest.mark.parametrize("name", ["cnn", "vgg16"])
def test_si_el_modelo_no_esta_entrenado_dice_como_se_entrena(run, in_study, films, tmp_path, name):
    result = run(
        "explicar", films[0], "--modelo", name, "--semilla", "8", "--salida", tmp_path / "mapas"
    )
    assert result.code == 1
    assert "neumonia estudio --datos maqueta --particion paciente --semilla 8" in result.err
    assert not (tmp_path / "mapas").exists()

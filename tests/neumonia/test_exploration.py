"""La exploración contra cuentas hechas de otra manera."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from neumonia import exploration
from neumonia.errors import ConfigError, DataError
from neumonia.exploration import (
    class_balance,
    example_rows,
    intensity_histogram,
    intensity_summary,
    mean_images,
    metadata_baseline,
)


@pytest.fixture
def films() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (41, 12, 9), dtype=np.uint8), rng.integers(0, 2, 41)


@pytest.fixture
def manifest() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    label = np.array([0] * 30 + [1] * 70, dtype=np.int8)
    return pd.DataFrame(
        {
            "label": label,
            "patient": [f"p{k // 3}" for k in range(100)],
            "height": 1000 - 400 * label.astype(int) + rng.integers(0, 100, 100),
            "width": 1200 + rng.integers(0, 100, 100),
        }
    )


@pytest.fixture
def split(manifest) -> pd.Series:
    parts = np.array(["train"] * 6 + ["val"] * 2 + ["test"] * 2)
    return pd.Series(parts[np.arange(100) % 10], index=manifest.index)


def test_el_balance_cuenta_bien(manifest, split):
    table = class_balance(manifest, split)
    assert list(table.index) == ["train", "val", "test"]
    assert list(table.columns) == ["normal", "pneumonia", "total", "proportion_pneumonia", "ratio"]
    assert table.loc["train"].tolist() == pytest.approx([18, 42, 60, 0.7, 42 / 18])
    assert table["total"].sum() == 100


def test_el_balance_con_una_clase_o_una_parte_ausente(manifest, split):
    sick = manifest["label"] == 1
    table = class_balance(manifest[sick], split[sick])
    assert table["ratio"].isna().all()
    assert (table["proportion_pneumonia"] == 1).all()
    only = class_balance(manifest, pd.Series("test", index=manifest.index))
    assert list(only.index) == ["test"]


@pytest.mark.parametrize("chunk", [1, 7, 512])
def test_promedio_y_desviacion_coinciden_con_numpy(films, monkeypatch, chunk):
    monkeypatch.setattr(exploration, "_CHUNK", chunk)
    images, labels = films
    mean, std = mean_images(images, labels)
    for label in (0, 1):
        mine = images[labels == label].astype(float)
        np.testing.assert_allclose(mean[label], mine.mean(axis=0), rtol=1e-6)
        np.testing.assert_allclose(std[label], mine.std(axis=0), rtol=1e-5, atol=1e-4)
        assert mean[label].dtype == std[label].dtype == np.float32


def test_imagenes_iguales_tienen_desviacion_cero():
    images = np.full((3000, 4, 4), 253, dtype=np.uint8)
    found = mean_images(images, np.zeros(3000, dtype=int))
    assert list(found.mean) == [0]
    assert (found.mean[0] == 253).all()
    assert (found.std[0] == 0).all()


def test_el_histograma_coincide_con_numpy(films):
    images, labels = films
    found = intensity_histogram(images, labels)
    for label, (density, cdf) in found.items():
        counts, _ = np.histogram(images[labels == label], bins=256, range=(0, 256))
        np.testing.assert_allclose(density, counts / counts.sum())
        assert density.sum() == pytest.approx(1)
        assert cdf[-1] == 1
        assert (np.diff(cdf) >= 0).all()
        assert cdf[127] == pytest.approx((images[labels == label] <= 127).mean())


def test_el_resumen_de_intensidad_coincide_con_numpy(films):
    images, labels = films
    table = intensity_summary(images, labels)
    for label, name in enumerate(("NORMAL", "PNEUMONIA")):
        mine = images[labels == label].astype(float)
        expected = [len(mine), mine.mean(), mine.std(), mine.mean(axis=(1, 2)).std()]
        assert table.loc[name].tolist() == pytest.approx(expected)


def test_se_recorre_un_memmap_sin_copiarlo_entero(tmp_path, films, monkeypatch):
    images, labels = films
    np.save(tmp_path / "a.npy", images)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    monkeypatch.setattr(exploration, "_CHUNK", 5)
    np.testing.assert_array_equal(
        mean_images(mapped, labels).mean[1], mean_images(images, labels).mean[1]
    )


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (np.zeros((3, 4, 4)), np.zeros(3)),
        (np.zeros((3, 4), np.uint8), np.zeros(3)),
        (np.zeros((0, 4, 4), np.uint8), np.zeros(0)),
        (np.zeros((3, 4, 4), np.uint8), np.zeros(2)),
        (np.zeros((3, 4, 4), np.uint8), np.array([0, 1, 2])),
    ],
)
def test_lo_impropio_se_rechaza(images, labels):
    for function in (mean_images, intensity_histogram, intensity_summary):
        with pytest.raises(ConfigError):
            function(images, labels)


def test_el_tamano_delata_la_clase_cuando_la_delata(manifest, split):
    assert metadata_baseline(manifest, split) == 1.0
    test = split == "test"
    alone = roc_auc_score(manifest.loc[test, "label"], -manifest.loc[test, "height"])
    assert alone == 1.0


def test_un_tamano_que_no_dice_nada_da_un_medio(manifest, split):
    same = manifest.assign(height=150, width=150)
    assert metadata_baseline(same, split) == 0.5
    rng = np.random.default_rng(3)
    big = pd.DataFrame(
        {
            "label": rng.integers(0, 2, 6000),
            "height": rng.integers(500, 900, 6000),
            "width": rng.integers(500, 900, 6000),
        }
    )
    parts = pd.Series(np.where(np.arange(6000) % 2, "train", "test"))
    assert abs(metadata_baseline(big, parts) - 0.5) < 0.04


@pytest.mark.parametrize("part", ["train", "test"])
def test_sin_las_dos_clases_no_hay_linea_de_base(manifest, split, part):
    keep = ~((split == part) & (manifest["label"] == 0))
    with pytest.raises(DataError, match=f"«{part}»"):
        metadata_baseline(manifest[keep], split[keep])


def test_los_ejemplos_son_de_la_clase_y_la_parte_pedidas(manifest, split):
    rows = example_rows(manifest, split, 1, 6, seed=0)
    assert rows.dtype == np.int64
    assert (np.diff(rows) > 0).all()
    assert (manifest["label"].to_numpy()[rows] == 1).all()
    assert (split.to_numpy()[rows] == "train").all()
    assert manifest["patient"].iloc[rows].is_unique
    np.testing.assert_array_equal(rows, example_rows(manifest, split, 1, 6, seed=0))
    assert rows.tolist() != example_rows(manifest, split, 1, 6, seed=1).tolist()
    test = example_rows(manifest, split, 0, 3, seed=0, part="test")
    assert (split.to_numpy()[test] == "test").all()


def test_si_no_alcanzan_los_pacientes_se_repiten(manifest, split):
    one = manifest.assign(patient="p")
    assert len(example_rows(one, split, 0, 5, seed=0)) == 5
    unknown = manifest.assign(patient="")
    assert len(set(example_rows(unknown, split, 0, 30, seed=0, part=None))) == 30


@pytest.mark.parametrize("n", [0, 31, -1])
def test_pedir_ejemplos_imposibles(manifest, split, n):
    with pytest.raises(DataError, match="hay 30"):
        example_rows(manifest, split, 0, n, seed=0, part=None)
    with pytest.raises(DataError, match="en «val» hay 6"):
        example_rows(manifest, split, 0, 7, seed=0, part="val")

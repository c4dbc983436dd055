"""La maqueta: determinista, con las dos clases, sin atajos de brillo y con máscaras que valen."""

import hashlib

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from neumonia.datasets import phantoms
from neumonia.datasets.base import COLUMNS, Dataset
from neumonia.datasets.phantom_anatomy import (
    LUNG_DEPTH,
    body_frame,
    build_thorax,
    to_film,
)
from neumonia.datasets.phantom_film import MU_SOFT, draw_technique, expose
from neumonia.datasets.phantom_opacities import (
    LUNG_FRACTION,
    MASK_FRACTION,
    SUBTYPES,
    add_opacity,
    draw_opacity,
    healthy_bands,
)
from neumonia.datasets.phantom_patient import draw_anatomy, draw_pose
from neumonia.datasets.phantom_plan import POSITIVES, Recipe, plan_films
from neumonia.datasets.phantom_shapes import Cloud, capsule, dome, draw_segments, ellipse, step
from neumonia.datasets.phantoms import (
    make_films,
    open_phantoms,
    phantom_masks,
)
from neumonia.errors import ConfigError, DataError, NeumoniaError


@pytest.fixture(scope="module")
def films():
    return make_films(260, 64, seed=3, difficulty=0.5)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NEUMONIA_CACHE", str(tmp_path))
    return tmp_path


# --- forma del resultado ---------------------------------------------------------------------


def test_las_placas_salen_con_la_forma_y_el_tipo_prometidos(films):
    assert films.images.shape == films.masks.shape == (260, 64, 64)
    assert films.images.dtype == np.uint8 and films.masks.dtype == bool
    manifest = films.manifest
    assert tuple(manifest.columns) == COLUMNS
    assert manifest["image_id"].is_monotonic_increasing and manifest["image_id"].is_unique
    assert manifest["label"].dtype == np.int8
    assert (manifest["height"] == 64).all() and (manifest["width"] == 64).all()
    assert set(manifest["subtype"]) == {"normal", *SUBTYPES}
    assert manifest.loc[0, "image_id"] == "maqueta-0001-1"
    assert manifest.loc[0, "patient"] == "maqueta-0001"


def test_la_suma_de_cada_fila_es_la_de_sus_pixeles(films):
    sums = [hashlib.sha256(image.tobytes()).hexdigest() for image in films.images]
    assert films.manifest["sha256"].tolist() == sums
    assert len(set(sums)) == len(sums)


def test_las_placas_de_un_paciente_comparten_clase_patron_y_particion(films):
    groups = films.manifest.groupby("patient")
    for column in ("label", "subtype", "official_split"):
        assert (groups[column].nunique() == 1).all()
    counts = groups.size()
    assert counts.max() == 4 and counts.min() == 1


def test_las_placas_de_un_paciente_se_parecen_mas_entre_si_que_a_las_demas(films):
    small = films.images.reshape(260, 16, 4, 16, 4).mean((2, 4)).reshape(260, -1)
    small = (small - small.mean(1, keepdims=True)) / small.std(1, keepdims=True)
    likeness = small @ small.T / small.shape[1]
    patients = films.manifest["patient"].to_numpy()
    same = patients[:, None] == patients[None, :]
    np.fill_diagonal(same, False)
    assert likeness[same].mean() > likeness[~same].mean() + 0.01


def test_solo_las_positivas_llevan_mascara(films):
    label = films.manifest["label"].to_numpy()
    assert not films.masks[label == 0].any()
    covered = films.masks[label == 1].mean((1, 2))
    assert (covered > 0).mean() > 0.97
    assert covered.max() < 0.5


# --- determinismo ----------------------------------------------------------------------------


def test_la_misma_semilla_da_los_mismos_pixeles_y_otra_semilla_otros():
    first, again, other = (make_films(20, 48, seed) for seed in (7, 7, 8))
    assert first.images.tobytes() == again.images.tobytes()
    assert first.masks.tobytes() == again.masks.tobytes()
    assert first.manifest.equals(again.manifest)
    assert first.images.tobytes() != other.images.tobytes()


def test_pedir_mas_placas_no_cambia_las_anteriores():
    few, many = make_films(11, 48, seed=5), make_films(40, 48, seed=5)
    assert np.array_equal(few.images, many.images[:11])
    assert np.array_equal(few.masks, many.masks[:11])
    assert few.manifest.equals(many.manifest.iloc[:11])


def test_un_subconjunto_se_genera_igual_que_dentro_del_total():
    recipe = Recipe(30, 48, 5, 0.5)
    whole = make_films(30, 48, 5, 0.5)
    rows = np.array([17, 2, 29, 3])
    alone = phantom_masks(recipe, rows)
    assert np.array_equal(alone, whole.masks[rows])
    chosen = [plan_films(recipe)[row] for row in rows]
    images = [image for image, _ in phantoms._render(recipe, chosen)]
    assert np.array_equal(np.stack(images), whole.images[rows])


# --- clases y particiones --------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_las_proporciones_son_las_de_kermany(seed):
    plan = plan_films(Recipe(1200, 32, seed, 0.5))
    assert len(plan) == 1200
    positives = np.mean([film.subtype != "normal" for film in plan])
    assert abs(positives - POSITIVES) < 0.06
    patients = {film.patient: film.split for film in plan}
    share = {name: np.mean([s == name for s in patients.values()]) for name in ("val", "test")}
    assert share["val"] == pytest.approx(0.04, abs=0.015)
    assert share["test"] == pytest.approx(0.12, abs=0.03)


@pytest.mark.parametrize("seed", range(8))
def test_con_pocas_placas_hay_dos_clases(seed):
    plan = plan_films(Recipe(5, 32, seed, 0.5))
    assert {film.subtype == "normal" for film in plan} == {True, False}


@pytest.mark.parametrize("seed", range(6))
def test_con_sesenta_placas_cada_particion_oficial_tiene_dos_clases(seed):
    plan = plan_films(Recipe(60, 32, seed, 0.5))
    present = {(film.split, film.subtype == "normal") for film in plan}
    assert len(present) == 6


def test_una_sola_placa_tambien_se_puede_pedir():
    assert make_films(1, 32).images.shape == (1, 32, 32)


# --- sin atajos ------------------------------------------------------------------------------


def _auc(features, films, seed):
    """AUC de una regresión logística con partición por paciente (un 30 % para probar)."""
    patients = films.manifest["patient"].to_numpy()
    names = np.unique(patients)
    held = np.random.default_rng(seed).permutation(names)[: int(0.3 * len(names))]
    test = np.isin(patients, held)
    label = films.manifest["label"].to_numpy()
    scaler = StandardScaler().fit(features[~test])
    model = LogisticRegression().fit(scaler.transform(features[~test]), label[~test])
    return roc_auc_score(label[test], model.decision_function(scaler.transform(features[test])))


def test_el_brillo_medio_no_basta_para_acertar():
    mean_only, both = [], []
    for seed in (0, 1):
        films = make_films(400, 64, seed)
        pixels = films.images.reshape(400, -1).astype(float)
        mean, spread = pixels.mean(1)[:, None], pixels.std(1)[:, None]
        for split in range(3):
            mean_only.append(_auc(mean, films, split))
            both.append(_auc(np.hstack((mean, spread)), films, split))
    assert np.mean(mean_only) < 0.75
    assert np.mean(both) < 0.85


def test_el_borde_de_la_placa_no_delata_la_clase(films):
    """Letra, cables, marco y brazos son ajenos a la clase: una banda exterior no debe separarla."""
    edge = np.concatenate((films.images[:, :, :4].mean(2), films.images[:, :4, :].mean(1)), axis=1)
    aucs = [_auc(edge[:, ::8], films, split) for split in range(4)]
    assert np.mean(aucs) < 0.72


def test_la_prueba_oficial_sale_de_otro_equipo():
    """Más velo y menos contraste en el centro de la placa; el tórax es el mismo."""
    films = make_films(300, 64, 1)
    test = (films.manifest["official_split"] == "test").to_numpy()
    centre = films.images[:, 16:56, 12:52].reshape(300, -1)
    darkest, contrast = np.percentile(centre, 5, axis=1), centre.std(axis=1)
    assert darkest[test].mean() > darkest[~test].mean() + 8
    assert contrast[test].mean() < contrast[~test].mean() - 2


# --- opacidades ------------------------------------------------------------------------------


def _scene(seed, size=96, confusion=0.5):
    rng = np.random.default_rng(seed)
    anatomy, pose = draw_anatomy(rng, confusion), draw_pose(rng, confusion)
    return rng, pose, build_thorax(anatomy, pose, size)


@pytest.mark.parametrize("subtype", SUBTYPES)
def test_la_mascara_es_lo_agregado_sobre_su_umbral_dentro_del_pulmon(subtype):
    rng, pose, thorax = _scene(11)
    opacity = draw_opacity(rng, subtype, 0.5)
    opacity = type(opacity)(**{**opacity.__dict__, "bronchi": None})
    added, mask = add_opacity(opacity, thorax, pose)
    assert (added >= 0).all() and (added <= thorax.lung + 1e-5).all()
    expected = (added > MASK_FRACTION * added.max()) & (thorax.lung > LUNG_FRACTION * LUNG_DEPTH)
    assert mask.any() and np.array_equal(mask, expected)


@pytest.mark.parametrize("subtype", SUBTYPES)
def test_la_opacidad_aclara_la_placa_donde_dice_la_mascara(subtype):
    gains = []
    for seed in range(4):
        rng, pose, thorax = _scene(seed)
        opacity = draw_opacity(rng, subtype, 0.3)
        technique = draw_technique(np.random.default_rng(1), False, 0.3)
        added, mask = add_opacity(opacity, thorax, pose)
        clean = expose(np.random.default_rng(2), thorax, np.zeros_like(added), technique)
        sick = expose(np.random.default_rng(2), thorax, added, technique)
        change = sick.astype(float) - clean
        gains.append(change[mask].mean() - change[~mask].mean())
    assert min(gains) > 3 and np.mean(gains) > 10


def test_la_mayor_dificultad_da_opacidades_mas_tenues():
    totals = []
    for difficulty in (0.0, 0.5, 1.0):
        amount = []
        for seed in range(8):
            _, pose, thorax = _scene(seed)
            kind = SUBTYPES[seed % 3]
            opacity = draw_opacity(np.random.default_rng(seed), kind, difficulty)
            amount.append(add_opacity(opacity, thorax, pose)[0].sum())
        totals.append(np.mean(amount))
    assert totals[0] > totals[1] > totals[2] > 0


def test_el_broncograma_devuelve_aire_a_la_consolidacion():
    for seed in range(30):
        rng, pose, thorax = _scene(seed)
        opacity = draw_opacity(rng, "lobar", 0.2)
        if opacity.bronchi is not None:
            break
    plain = type(opacity)(**{**opacity.__dict__, "bronchi": None})
    with_air, mask = add_opacity(opacity, thorax, pose)
    without, same = add_opacity(plain, thorax, pose)
    assert np.array_equal(mask, same)
    assert (with_air <= without).all() and (with_air < without).any()


def test_los_hallazgos_sanos_nunca_llenan_el_pulmon_y_crecen_con_la_confusion():
    totals = []
    for confusion in (0.0, 1.0):
        scene = [_scene(seed, 64)[2] for seed in range(12)]
        added = [healthy_bands(np.random.default_rng(k), t, confusion) for k, t in enumerate(scene)]
        assert all((a <= 0.6 * t.lung + 1e-5).all() for a, t in zip(added, scene, strict=True))
        totals.append(np.mean([a.sum() for a in added]))
    assert totals[0] == 0 < totals[1]


# --- física y geometría ----------------------------------------------------------------------


def test_mas_tejido_da_una_zona_mas_clara_con_la_pendiente_de_beer_lambert():
    """Sin dispersión ni ruido, la densidad crece µ por centímetro agregado."""
    from neumonia.datasets import phantom_film

    technique = draw_technique(np.random.default_rng(0), False, 0.0)
    quiet = type(technique)(**{**technique.__dict__, "photons": 1e12, "scatter": 0.0})
    thickness = np.array([2.0, 5.0, 9.0])
    density = [
        phantom_film._detect(
            np.random.default_rng(0), np.full((32, 32), np.exp(-MU_SOFT * t), np.float32), quiet
        ).mean()
        for t in thickness
    ]
    assert np.allclose(density, MU_SOFT * thickness, rtol=1e-4)


def test_la_dispersion_resta_contraste():
    from neumonia.datasets import phantom_film

    technique = draw_technique(np.random.default_rng(0), False, 0.0)
    field = np.full((64, 64), 0.10, np.float32)
    field[:, 32:] = 0.30
    contrast = []
    for scatter in (0.0, 0.5):
        changed = type(technique)(**{**technique.__dict__, "photons": 1e10, "scatter": scatter})
        density = phantom_film._detect(np.random.default_rng(0), field, changed)
        contrast.append(density[:, 5].mean() - density[:, 58].mean())
    assert contrast[1] < contrast[0] == pytest.approx(np.log(3), rel=1e-3)


def test_llevar_a_la_placa_invierte_el_marco_del_cuerpo():
    pose = draw_pose(np.random.default_rng(4), 1.0)
    x, y = body_frame(pose, 50)
    rows, columns = np.array([3, 20, 44]), np.array([7, 31, 48])
    spots = np.column_stack(
        (x[rows, columns], y[rows, columns], x[rows, columns], y[rows, columns], np.ones(3))
    ).astype(float)
    back = to_film(pose, spots)
    assert np.allclose(back[:, 0], (columns + 0.5) / 50, atol=1e-5)
    assert np.allclose(back[:, 1], (rows + 0.5) / 50, atol=1e-5)


def test_el_ruido_anclado_al_cuerpo_se_mueve_con_el_paciente():
    cloud = Cloud.draw(np.random.default_rng(0), (6,))
    pose = draw_pose(np.random.default_rng(1), 0.0)
    still = type(pose)(**{**pose.__dict__, "shift": (0.0, 0.0), "scale": (1.0, 1.0), "angle": 0.0})
    moved = type(pose)(**{**still.__dict__, "shift": (8 / 64, -4 / 64)})
    before, after = (cloud.at(*body_frame(p, 64)) for p in (still, moved))
    assert np.allclose(before[8:-8, 8:-16], after[4:-12, 16:-8], atol=1e-3)
    assert 0.5 < before.std() < 1.8


def test_los_trazos_miden_lo_que_dicen():
    x, y = np.meshgrid(np.linspace(-1, 1, 41), np.linspace(-1, 1, 41))
    distance = capsule(x, y, (-0.5, 0.0), (0.5, 0.0))
    assert distance[20, 20] == pytest.approx(0)
    assert distance[40, 20] == pytest.approx(1.0)
    assert distance[20, 40] == pytest.approx(0.25)
    assert ellipse(np.array([3.0]), np.array([1.0]), (1.0, 1.0, 2.0, 5.0))[0] == pytest.approx(1)
    turned = ellipse(np.array([1.0]), np.array([3.0]), (1.0, 1.0, 2.0, 5.0), np.pi / 2)
    assert turned[0] == pytest.approx(1)
    assert dome(np.array([0.0, 0.75, 2.0])) == pytest.approx([1.0, 0.5, 0.0])
    assert step(np.array([-9.0, 0.0, 9.0]), 1.0) == pytest.approx([0, 0.5, 1], abs=1e-6)
    tube = draw_segments(np.array([[0.2, 0.5, 0.8, 0.5, 0.05]]), 100)
    assert tube[50, 50] == pytest.approx(0.10, rel=0.05)
    assert tube[20, 50] == 0
    assert (tube[:, 50] > 0.05).sum() == pytest.approx(10, abs=2)


def test_el_corazon_queda_a_la_izquierda_del_paciente_y_el_aire_en_los_pulmones():
    lungs = np.mean([_scene(seed, 64)[2].lung for seed in range(10)], axis=0)
    band = lungs[36:48]
    assert band[:, :32].sum() > 1.15 * band[:, 32:].sum()
    assert lungs[20:45, 12:24].mean() > 3.0
    assert lungs[:, 31:33].max() < 0.5
    assert lungs[58:].mean() < 0.1 * lungs[20:45].mean()


def test_otro_tamano_muestra_la_misma_anatomia():
    small, large = make_films(6, 64, 2), make_films(6, 128, 2)
    for low, high in zip(small.images, large.images, strict=True):
        reduced = np.asarray(Image.fromarray(high).resize((64, 64), Image.Resampling.BOX))
        assert np.corrcoef(low.ravel(), reduced.ravel())[0, 1] > 0.97


# --- el conjunto y su caché ------------------------------------------------------------------


def test_el_conjunto_carga_las_mismas_placas_y_la_segunda_vez_no_las_genera(cache, monkeypatch):
    expected = make_films(9, 40, 4)
    dataset = open_phantoms(9, 40, 4)
    assert isinstance(dataset, Dataset) and dataset.name == "maqueta" and len(dataset) == 9
    assert np.array_equal(dataset.load(size=40), expected.images)
    assert dataset.manifest.equals(expected.manifest)

    def forbidden(*args, **options):
        raise AssertionError("no debía generar otra vez")

    monkeypatch.setattr(phantoms, "make_films", forbidden)
    again = open_phantoms(9, 40, 4)
    rows = np.array([8, 1])
    assert np.array_equal(again.load(rows, 40, progress=True), expected.images[rows])
    assert again.fingerprint == dataset.fingerprint


def test_un_archivo_guardado_que_no_sirve_se_genera_de_nuevo(cache):
    first = open_phantoms(5, 40, 4)
    (saved,) = (cache / "maqueta").glob("*.npy")
    for content in (b"", b"basura", saved.read_bytes()[:-100]):
        saved.write_bytes(content)
        assert np.array_equal(open_phantoms(5, 40, 4).load(size=40), first.load(size=40))
    np.save(saved, np.zeros((5, 40, 40), np.float32))
    assert open_phantoms(5, 40, 4).fingerprint == first.fingerprint


def test_cargar_a_otro_lado_reduce_como_pillow(cache):
    dataset = open_phantoms(4, 64, 1)
    expected = np.asarray(
        Image.fromarray(dataset.load(size=64)[2]).resize((28, 28), Image.Resampling.BILINEAR)
    )
    assert np.array_equal(dataset.load(np.array([2]), 28)[0], expected)


def test_las_mascaras_siguen_las_filas_y_el_lado_pedidos(cache):
    whole = make_films(14, 64, 1)
    dataset = open_phantoms(14, 64, 1)
    assert np.array_equal(phantom_masks(dataset), whole.masks)
    sick = int(np.flatnonzero(whole.manifest["label"])[0])
    half = phantom_masks(dataset, np.array([sick]), 32)
    assert half.shape == (1, 32, 32) and half.dtype == bool
    reduced = whole.masks[sick].reshape(32, 2, 32, 2).mean((1, 3))
    assert (half[0] == (reduced >= 0.5)).mean() > 0.97
    assert phantom_masks(dataset, np.array([], int)).shape == (0, 64, 64)


def test_las_mascaras_de_placas_reales_no_existen(cache):
    other = Dataset("kermany", make_films(2, 32).manifest, lambda *a: None, {})
    with pytest.raises(DataError, match="kermany"):
        phantom_masks(other)


@pytest.mark.parametrize("rows", [np.array([[0]]), np.array([0.5]), np.array([4]), np.array([-1])])
def test_filas_imposibles_se_rechazan(rows):
    with pytest.raises(ConfigError, match="posiciones"):
        phantom_masks(Recipe(4, 32), rows)


# --- argumentos fuera de dominio -------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"n_films": 0}, "n_films"),
        ({"n_films": 20_001}, "n_films"),
        ({"n_films": 2.5}, "n_films"),
        ({"n_films": True}, "n_films"),
        ({"size": 31}, "size"),
        ({"size": 1025}, "size"),
        ({"size": "128"}, "size"),
        ({"seed": -1}, "seed"),
        ({"difficulty": -0.01}, "difficulty"),
        ({"difficulty": 1.01}, "difficulty"),
        ({"difficulty": float("nan")}, "difficulty"),
        ({"difficulty": "alta"}, "difficulty"),
        ({"difficulty": None}, "difficulty"),
    ],
)
def test_un_argumento_fuera_de_dominio_se_explica(options, word):
    with pytest.raises(NeumoniaError, match=word) as caught:
        make_films(**options)
    assert isinstance(caught.value, ConfigError)
    assert "recibimos" in str(caught.value)


def test_se_aceptan_enteros_de_numpy_y_se_puede_mostrar_el_avance():
    loud = make_films(np.int64(3), np.int32(32), np.int64(1), np.float32(0.5), progress=True)
    assert np.array_equal(loud.images, make_films(3, 32, 1, 0.5).images)


def test_el_plan_mas_grande_mantiene_los_identificadores_en_orden():
    plan = plan_films(Recipe(20_000, 32, 0, 0.5))
    names = [film.image_id for film in plan]
    assert names == sorted(names) and plan[-1].patient <= 9999

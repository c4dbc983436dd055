"""Las particiones: nadie cruza, las clases quedan en proporción y los casos imposibles avisan."""

import numpy as np
import pandas as pd
import pytest

from neumonia.errors import ConfigError, DataError
from neumonia.splits import (
    KINDS,
    by_file,
    by_patient,
    check_split,
    make_split,
    official,
    patient_groups,
    shared_patients,
)


def cohort(patients=(60, 140), seed=0, biggest=12) -> pd.DataFrame:
    """Un conjunto con muchos pacientes de una película y unos pocos de muchas, como el real."""
    rng = np.random.default_rng(seed)
    rows = []
    for label, count in enumerate(patients):
        for person in range(count):
            films = int(np.minimum(rng.geometric(0.6), biggest)) if person else biggest
            part = ("train", "val", "test")[person % 10 // 8 + person % 10 // 9]
            for film in range(films):
                rows.append((f"c{label}p{person}f{film}", label, f"c{label}p{person}", part))
    frame = pd.DataFrame(rows, columns=["image_id", "label", "patient", "official_split"])
    frame["label"] = frame["label"].astype("int8")
    frame["sha256"] = [f"h{k}" for k in range(len(frame))]
    return frame.sort_values("image_id", ignore_index=True)


def crossing(manifest: pd.DataFrame, split: pd.Series) -> int:
    return int((split.groupby(manifest["patient"]).nunique() > 1).sum())


@pytest.mark.parametrize("seed", range(8))
def test_por_paciente_nadie_cruza_y_la_proporcion_se_conserva(seed):
    manifest = cohort(seed=seed)
    split = by_patient(manifest, seed)
    assert crossing(manifest, split) == 0
    check_split(manifest, split)
    target = {"train": 0.8, "val": 0.1, "test": 0.1}
    for label in (0, 1):
        mine = split[manifest["label"] == label]
        for part, fraction in target.items():
            assert abs((mine == part).sum() - fraction * len(mine)) <= 1
    shared = shared_patients(manifest, split)
    assert (shared["films_shared"] == 0).all()
    assert (shared["patients"] > 0).all()


def test_la_misma_semilla_repite_y_otra_cambia():
    manifest = cohort()
    for maker in (by_patient, official, by_file):
        pd.testing.assert_series_equal(maker(manifest, 3), maker(manifest, 3))
        assert not maker(manifest, 3).equals(maker(manifest, 4))


def test_el_reparto_no_depende_del_orden_de_las_filas():
    manifest = cohort()
    shuffled = manifest.sample(frac=1, random_state=0)
    split = by_patient(manifest, 5).set_axis(manifest["image_id"])
    other = by_patient(shuffled, 5).set_axis(shuffled["image_id"])
    assert other.loc[split.index].equals(split)


def test_la_serie_lleva_el_indice_y_el_nombre_esperados():
    manifest = cohort().set_index(pd.Index(range(1000, 1000 + len(cohort()))))
    for kind in KINDS:
        split = make_split(manifest, kind, 0)
        assert split.index.equals(manifest.index)
        assert split.name == "split"
        assert set(split) == {"train", "val", "test"}


def test_los_pacientes_grandes_caen_a_veces_en_prueba():
    """El más numeroso no está condenado a entrenamiento: en 60 semillas sale unas 6 veces."""
    manifest = cohort(patients=(30, 60), biggest=4)
    giant = manifest.index[manifest["patient"] == "c1p0"][0]
    homes = [by_patient(manifest, seed)[giant] for seed in range(60)]
    assert homes.count("test") + homes.count("val") >= 4
    assert homes.count("train") >= 30


@pytest.mark.parametrize("fractions", [(0.6, 0.2, 0.2), (0.5, 0.25, 0.25), (0.7, 0.1, 0.2)])
def test_otras_proporciones(fractions):
    manifest = cohort(patients=(200, 300))
    shares = by_patient(manifest, 0, fractions).value_counts(normalize=True)
    for part, fraction in zip(("train", "val", "test"), fractions, strict=True):
        assert abs(shares[part] - fraction) < 0.01


@pytest.mark.parametrize(
    "fractions",
    [(0.8, 0.2), (0.8, 0.2, 0.0), (0.5, 0.2, 0.2), (1.2, -0.1, -0.1), (0.8, 0.1, np.nan)],
)
def test_proporciones_imposibles(fractions):
    with pytest.raises(ConfigError, match="suman 1"):
        by_patient(cohort(), 0, fractions)


def test_pacientes_con_un_archivo_identico_son_un_solo_grupo():
    manifest = cohort()
    rows = {name: manifest.index[manifest["patient"] == name] for name in ("c1p0", "c1p1", "c1p2")}
    manifest.loc[rows["c1p0"][0], "sha256"] = "copia"
    manifest.loc[rows["c1p1"][0], "sha256"] = "copia"
    manifest.loc[rows["c1p1"][-1], "sha256"] = "copia 2"
    manifest.loc[rows["c1p2"][0], "sha256"] = "copia 2"
    groups = patient_groups(manifest)
    together = {groups[row] for name in rows for row in rows[name]}
    assert len(together) == (1 if len(rows["c1p1"]) > 1 else 2)
    alone = manifest.index[manifest["patient"] == "c1p3"]
    assert groups[alone[0]] not in together
    for seed in range(5):
        split = by_patient(manifest, seed)
        assert split[rows["c1p1"]].nunique() == 1
        assert split[rows["c1p2"][0]] == split[rows["c1p1"][-1]]


def test_los_grupos_encadenan_copias():
    """A comparte con B y B con C: los tres son uno, aunque A y C no compartan nada."""
    manifest = pd.DataFrame(
        {"patient": list("aabbccd"), "sha256": ["1", "x", "x", "y", "y", "2", "3"]}
    )
    assert patient_groups(manifest).tolist() == [0, 0, 0, 0, 0, 0, 1]


def test_los_grupos_sin_paciente_y_la_tabla_vacia():
    manifest = pd.DataFrame({"patient": ["", "", "", "p"], "sha256": ["1", "2", "1", "9"]})
    assert patient_groups(manifest).tolist() == [0, 1, 0, 2]
    assert patient_groups(manifest.iloc[:0]).shape == (0,)


def test_la_oficial_no_toca_la_prueba_y_une_la_validacion():
    manifest = cohort()
    split = official(manifest, 1)
    assert ((split == "test") == (manifest["official_split"] == "test")).all()
    assert crossing(manifest, split) == 0
    pool = manifest["official_split"] != "test"
    assert abs((split[pool] == "val").mean() - 0.1) < 0.01
    # Las películas de la carpeta val oficial también sirven para entrenar.
    assert (split[manifest["official_split"] == "val"] == "train").any()


def test_la_oficial_sin_pacientes_se_respeta_tal_cual():
    manifest = cohort().assign(patient="")
    assert official(manifest, 0).tolist() == manifest["official_split"].tolist()


def test_por_paciente_sin_pacientes_remite_a_la_oficial():
    with pytest.raises(DataError, match="oficial"):
        make_split(cohort().assign(patient=""), "paciente", 0)


@pytest.mark.parametrize("missing", ["train", "test"])
def test_la_oficial_sin_una_carpeta(missing):
    manifest = cohort()
    manifest = manifest[manifest["official_split"] != missing]
    if missing == "train":
        manifest = manifest[manifest["official_split"] != "val"]
    with pytest.raises(DataError, match=f"carpeta oficial {missing}"):
        official(manifest, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_una_sola_clase_o_ninguna_pelicula(kind):
    manifest = cohort()
    with pytest.raises(DataError, match=r"una sola clase \(0 NORMAL"):
        make_split(manifest[manifest["label"] == 1], kind, 0)
    with pytest.raises(DataError, match="vacía"):
        make_split(manifest.iloc[:0], kind, 0)


def test_un_solo_paciente_por_clase():
    manifest = cohort(patients=(1, 1))
    with pytest.raises(DataError, match=r"Solo hay 1 paciente\(s\) NORMAL"):
        by_patient(manifest, 0)
    with pytest.raises(DataError, match=r"1 paciente\(s\)"):
        official(manifest.assign(official_split=["train", "test"] * (len(manifest) // 2)), 0)


def test_muy_pocas_peliculas_por_archivo():
    manifest = cohort(patients=(1, 1), biggest=1)
    with pytest.raises(DataError, match="muy pocas películas"):
        by_file(manifest, 0)


@pytest.mark.parametrize("sizes", [(3, 3), (3, 50), (4, 4)])
@pytest.mark.parametrize("biggest", [1, 30])
def test_tres_pacientes_por_clase_alcanzan(sizes, biggest):
    for seed in range(5):
        manifest = cohort(patients=sizes, biggest=biggest, seed=seed)
        split = make_split(manifest, "paciente", seed)
        assert crossing(manifest, split) == 0


def test_una_persona_con_las_dos_clases_no_se_parte():
    manifest = cohort()
    manifest.loc[manifest["patient"].isin(["c0p5", "c1p5"]), "patient"] = "mixta"
    split = by_patient(manifest, 0)
    assert split[manifest["patient"] == "mixta"].nunique() == 1


def test_por_archivo_hay_fuga_y_se_mide_contra_un_conteo_directo():
    manifest = cohort()
    split = by_file(manifest, 0)
    table = shared_patients(manifest, split)
    for part in ("val", "test"):
        seen = set(manifest.loc[split == "train", "patient"])
        mine = manifest.loc[split == part, "patient"]
        leaked = [person in seen for person in mine]
        assert table.loc[part, "films"] == len(mine)
        assert table.loc[part, "films_shared"] == sum(leaked) > 0
        assert table.loc[part, "proportion"] == pytest.approx(np.mean(leaked))
        assert table.loc[part, "patients"] == len(set(mine))
        assert table.loc[part, "patients_shared"] == len(set(mine) & seen)


@pytest.mark.parametrize("seed", range(4))
def test_por_archivo_las_clases_quedan_en_proporcion(seed):
    manifest = cohort()
    overall = manifest["label"].mean()
    split = by_file(manifest, seed)
    for part in ("train", "val", "test"):
        mine = manifest.loc[split == part, "label"]
        assert abs(mine.sum() - overall * len(mine)) <= 1


def test_la_fuga_de_una_parte_vacia_es_nan():
    manifest = cohort()
    split = pd.Series("train", index=manifest.index)
    assert shared_patients(manifest, split)["proportion"].isna().all()


def test_una_particion_desconocida():
    with pytest.raises(ConfigError, match="paciente, oficial, archivo"):
        make_split(cohort(), "azar", 0)


def test_revisar_una_particion_ajena_o_incompleta():
    manifest = cohort()
    split = by_patient(manifest, 0)
    with pytest.raises(DataError, match="mismo índice"):
        check_split(manifest, split.iloc[1:])
    with pytest.raises(DataError, match="desconocidos: prueba"):
        check_split(manifest, split.replace("test", "prueba"))
    with pytest.raises(DataError, match="«val» quedó sin películas NORMAL"):
        check_split(manifest, split.replace("val", "train"))
    broken = split.where(~((split == "test") & (manifest["label"] == 1)), "train")
    with pytest.raises(DataError, match="«test» quedó sin películas PNEUMONIA"):
        check_split(manifest, broken)

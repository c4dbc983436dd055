"""Las fichas: cada número se puede recalcular, cada sección está y nada falta en silencio."""

import re
from pathlib import Path

import pandas as pd
import pytest
from sklearn.metrics import recall_score, roc_auc_score

from neumonia.datasets import open_dataset
from neumonia.datasets.chest_xray import open_kermany
from neumonia.errors import DataError
from neumonia.evaluation import bootstrap_by_patient
from neumonia.files import read_json, write_json, write_text
from neumonia.review import card_text
from neumonia.review.card import ModelCard, model_card, open_card
from neumonia.review.card_tables import HIT
from neumonia.review.datasheet import data_sections, data_sheet
from neumonia.review.published import PublishedReview
from neumonia.review.sections import PENDING, REFERENCES, TITLES, Section, triple
from neumonia.review.subgroups import subgroup_table, subtypes
from neumonia.study import published
from neumonia.text import number

ROOT = Path(__file__).resolve().parents[3]
MODEL_SECTIONS = [
    "Detalles del modelo", "Uso previsto", "Factores", "Métricas", "Datos de evaluación",
    "Datos de entrenamiento", "Análisis cuantitativos", "Consideraciones éticas",
    "Advertencias y fallos conocidos", "Referencias",
]  # fmt: skip
DATA_SECTIONS = [
    "Motivación", "Composición", "Recolección", "Preprocesamiento y limpieza", "Usos",
    "Distribución", "Mantenimiento", "Referencias",
]  # fmt: skip


@pytest.fixture(scope="module")
def real():
    """Los estudios publicados de verdad."""
    return tuple(published("kermany", exam, ROOT) for exam in ("paciente", "oficial"))


@pytest.fixture(scope="module")
def card(real):
    return ModelCard(real)


def headings(text: str) -> list[str]:
    return re.findall(r"^## (.+)$", text, re.M)


def values(cell: str) -> list[float]:
    return [float(value) for value in re.findall(r"\d+\.\d+", cell)]


def test_el_subtipo_es_el_que_da_abrir_las_radiografias(tmp_path):
    from PIL import Image

    names = [
        "train/NORMAL/IM-0001-0001.jpeg", "train/NORMAL/NORMAL2-IM-0012-0001.jpeg",
        "test/PNEUMONIA/person1_virus_6.jpeg", "train/PNEUMONIA/person447_virus_921_1.jpeg",
        "val/PNEUMONIA/person2_bacteria_3.jpeg", "val/PNEUMONIA/otra cosa.jpeg",
    ]  # fmt: skip
    for shade, name in enumerate(names):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (20, 20), 30 * shade).save(tmp_path / name)
    manifest = open_kermany(tmp_path, progress=False).manifest
    assert len(manifest) == len(names)
    assert subtypes(manifest["image_id"]).tolist() == manifest["subtype"].tolist()
    assert set(manifest["subtype"]) == {"normal", "bacteria", "virus", ""}


def test_un_identificador_sin_clase_se_rechaza():
    with pytest.raises(DataError, match="no dice su clase"):
        subtypes(["train/person1_virus_6.jpeg"])


@pytest.mark.real
def test_el_subtipo_es_el_de_los_archivos_reales(shared, real):
    import zipfile

    archive = shared / "datos" / "chest_xray_224.zip"
    with zipfile.ZipFile(archive) as zipped:
        files = {
            "/".join(Path(name).parts[-3:])
            for name in zipped.namelist()
            if name.endswith(".jpeg") and "__MACOSX" not in name
        }
    films = real[0].predictions["image_id"]
    found = pd.Series(subtypes(films))
    assert set(films) == files
    for kind in ("bacteria", "virus"):
        assert (found == kind).sum() == sum(kind in name for name in files)


@pytest.mark.parametrize("exam", [0, 1])
@pytest.mark.parametrize("model", ["cnn", "vgg16"])
def test_la_tabla_por_subgrupo_es_la_que_calcula_scikit_learn(real, exam, model):
    predictions = real[exam].predictions
    table = subgroup_table(predictions, model, n=50).set_index(["subgroup", "metric"])
    test = predictions[predictions["split"] == "test"]
    normal = test["label"] == 0
    for title, word in (("neumonía bacteriana", "_bacteria_"), ("neumonía viral", "_virus_")):
        mine = test["image_id"].str.contains(word)
        part = test[mine | normal]
        guess = part[f"p_{model}"] >= 0.5
        row = table.loc[(title, "sensitivity")]
        assert row["value"] == pytest.approx(recall_score(part["label"], guess))
        assert (row["n"], row["patients"]) == (mine.sum(), test.loc[mine, "patient"].nunique())
        auc = roc_auc_score(part["label"], part[f"p_{model}"])
        assert table.loc[(title, "roc_auc"), "value"] == pytest.approx(auc)
    guess = test[f"p_{model}"] >= 0.5
    specificity = recall_score(test["label"], guess, pos_label=0)
    assert table.loc[("normales", "specificity"), "value"] == pytest.approx(specificity)
    assert (table["low"] <= table["value"]).all() and (table["value"] <= table["high"]).all()


def test_los_intervalos_por_subgrupo_remuestrean_pacientes_con_su_semilla(real):
    predictions = real[0].predictions
    table = subgroup_table(predictions, "cnn", seed=3, n=200)
    test = predictions[predictions["split"] == "test"]
    part = test[test["image_id"].str.contains("_virus_") | (test["label"] == 0)]
    columns = (part["label"], part["p_cnn"], part["patient"])
    expected = bootstrap_by_patient(*columns, "sensitivity", n=200, seed=3)
    row = table[(table["subgroup"] == "neumonía viral") & (table["metric"] == "sensitivity")]
    assert row[["low", "high"]].iloc[0].tolist() == list(expected)


def test_una_etiologia_sin_radiografias_no_aparece(real):
    predictions = real[0].predictions
    without = predictions[~predictions["image_id"].str.contains("_virus_")]
    table = subgroup_table(without, "cnn", n=20)
    assert table["subgroup"].unique().tolist() == ["neumonía bacteriana", "normales"]


def test_un_modelo_sin_predicciones_se_dice(real):
    with pytest.raises(DataError, match="p_resnet"):
        subgroup_table(real[0].predictions, "resnet")


@pytest.mark.parametrize("model", ["cnn", "vgg16"])
def test_la_ficha_trae_todas_las_secciones_y_ninguna_cita_sin_resolver(real, model):
    text = model_card(real, None, model)
    assert headings(text) == MODEL_SECTIONS
    assert text.startswith(f"# Ficha de modelo: {TITLES[model]}\n\n**Para aprender")
    assert "[@" not in text and "Mitchell M. et al. (2019)" in text
    assert PENDING in text


def test_las_metricas_de_la_ficha_son_las_de_las_predicciones(real, card):
    table = card.sections()["analisis"].table("Por examen")
    assert len(table) == 4
    for row in table.to_dict("records"):
        name, exam = row["red y examen"].split(" ", 1)
        study = real[0 if exam == "(por paciente)" else 1]
        column = {"CNN": "p_cnn", "VGG16": "p_vgg16"}[name]
        test = study.predictions[study.predictions["split"] == "test"]
        guess = test[column] >= 0.5
        expected = {
            "especificidad": recall_score(test["label"], guess, pos_label=0),
            "sensibilidad": recall_score(test["label"], guess),
            "ROC-AUC": roc_auc_score(test["label"], test[column]),
        }
        for name, value in expected.items():
            assert row[name].split()[0] == number(value)
            first, low, high = values(row[name])
            assert low <= first <= high


def test_los_valores_predictivos_son_los_de_bayes(card):
    analysis = card.sections()["analisis"]
    table = analysis.table("A baja prevalencia")
    assert table["prevalencia"].str[:-2].astype(float).tolist() == [1, 5, 20] * 4
    run = next(card.runs())
    sens, spec = (card.triples(run)[name][0] for name in ("sensitivity", "specificity"))
    share = 0.05
    positive = sens * share / (sens * share + (1 - spec) * (1 - share))
    negative = spec * (1 - share) / (spec * (1 - share) + (1 - sens) * share)
    cells = table.iloc[1][["valor predictivo positivo", "valor predictivo negativo"]]
    assert [cell.split()[0] for cell in cells] == [number(positive), number(negative)]


def test_si_cambian_los_resultados_cambia_la_ficha(project, studies):
    before = model_card(studies, None, "cnn")
    folder = project / "estudio" / "kermany" / "oficial"
    results = read_json(folder / "results.json")
    results["models"]["cnn"]["test"]["specificity"] = 0.1234
    results["models"]["cnn"]["test_interval"]["specificity"] = [0.1111, 0.1357]
    results["models"]["cnn"]["parameters"] = 7654
    results["data"]["split_digest"] = "nuevo-reparto"
    write_json(folder / "results.json", results)
    after = model_card([published("kermany", "oficial", project)], None, "cnn")
    alone = model_card(studies[:1], None, "cnn")
    assert "0.123 (0.111 a 0.136)" in after and "0.123 (0.111 a 0.136)" not in before
    assert "nuevo-reparto" in after and "7654" in after
    assert "por paciente" not in after.split("### Por examen")[1].split("### ")[0]
    old = published("kermany", "paciente", project).results["models"]["cnn"]["test"]
    assert number(old["specificity"]) in alone


def test_las_predicciones_tambien_mandan(project):
    path = project / "estudio" / "kermany" / "oficial" / "predictions.csv"
    table = pd.read_csv(path, keep_default_na=False)
    viral = table["image_id"].str.contains("_virus_") & (table["split"] == "test")
    table.loc[viral, "p_cnn"] = 0.01
    write_text(path, table.to_csv(index=False))
    text = model_card([published("kermany", "oficial", project)], None, "cnn")
    assert "viral 0.000 (0.000 a 0.000)" in text
    assert "no dice que la red sea infalible" not in text


def test_un_intervalo_sin_fallos_lleva_su_limite_exacto(real, card):
    from scipy.stats import binomtest

    perfect = [
        (run, row)
        for run, table in card.subgroups.items()
        for row in table.itertuples(index=False)
        if row.low == 1
    ]
    assert perfect, "ninguna etiología quedó sin fallos: hace falta otro caso"
    text = card.sections()["analisis"].text
    for run, row in perfect:
        exact = binomtest(row.patients, row.patients).proportion_ci(method="exact").low
        assert f"{run}, {row.subgroup}, {number(exact)} ({row.patients} pacientes)" in text


def test_lo_escrito_a_mano_no_trae_resultados():
    fixed = [card_text.USE, card_text._WHO, card_text.EVALUATION, card_text.ETHICS]
    for text in fixed:
        assert not re.search(r"\d", re.sub(r"\[@[^\]]+\]", "", text))


def test_con_la_revision_entera_no_queda_nada_pendiente(studies, review_folder, exam):
    review = PublishedReview(review_folder)
    card = ModelCard(studies, review, exam=exam)
    assert card.shown == ("cnn", "vgg16", "elegido")
    sections = card.sections()
    text = " ".join(section.text for section in sections.values())
    assert PENDING not in text
    for expected in (
        "0.812 (0.782 a 0.842)", "0.103 (0.083 a 0.113)", "0.031 (0.011 a 0.041)",
        "0.411 (0.391 a 0.421) (sin tratar)", "0.622 (0.602 a 0.632) (muestreo equilibrado)",
        "NORMAL, 0.802", "2 trabajos anteriores",
    ):  # fmt: skip
        assert expected in text
    # Ni la referencia que no ve nada ni la que lo ve todo cuentan como atajo.
    assert "0.970" not in sections["advertencias"].text.split("atajos")[1].split("\n")[0]
    seeds = sections["analisis"].table("Con varias semillas")
    assert seeds["modelo"].value_counts().to_dict() == {"CNN": 3, "VGG16": 3}
    makeup = sections["detalles"].table("Cómo es cada red").set_index("dato")["modelo elegido"]
    assert makeup["entrada"] == "64 × 64 px" and makeup["Keras"] == "9.8.7"
    assert makeup["pesos de partida"] == "ImageNet"


def test_el_elegido_se_mide_con_su_umbral_y_su_promedio(studies, exam):
    card = ModelCard(studies, None, ("elegido",), exam)
    predictions = exam.predictions
    normals = predictions[predictions["label"] == 0]
    shown = card.sections()["analisis"].table("Por examen").iloc[0]
    auc = roc_auc_score(predictions["label"], predictions["p"])
    assert values(shown["ROC-AUC"])[0] == pytest.approx(auc, abs=5e-4)
    specificity = (normals["p"] < exam.threshold).mean()
    assert values(shown["especificidad"])[0] == pytest.approx(specificity, abs=5e-4)
    assert exam.threshold != 0.5
    table = card.sections()["analisis"].table("Por subgrupo")
    normal = table[table["grupo"] == "normales"].iloc[0]
    assert values(normal[HIT])[0] == pytest.approx(specificity, abs=5e-4)
    text = model_card(studies, None, "elegido", exam)
    assert headings(text) == MODEL_SECTIONS


@pytest.mark.parametrize("missing", ["atajos", "protocolos", "desbalance"])
def test_una_parte_que_falta_no_rompe_la_ficha(studies, review_folder, exam, missing):
    (review_folder / f"{missing}.json").unlink()
    # Con un solo examen basta: lo que falta es de la revisión.
    card = ModelCard(studies[1:], PublishedReview(review_folder), ("cnn", "elegido"), exam)
    sections = card.sections()
    assert PENDING in " ".join(section.text for section in sections.values())
    if missing == "protocolos":
        frame = sections["analisis"].table("Con varias semillas")
        assert frame.to_dict("list") == {"resultado": [PENDING]}


def test_sin_examen_no_hay_elegido_y_se_dice(studies, review_folder):
    card = ModelCard(studies, PublishedReview(review_folder))
    assert card.available == ("cnn", "vgg16")
    assert PENDING in card.sections()["detalles"].text


def test_sin_vgg16_la_ficha_es_de_la_cnn(project):
    path = project / "estudio" / "kermany" / "paciente" / "results.json"
    results = read_json(path)
    del results["models"]["vgg16"]
    write_json(path, results)
    studies = [published("kermany", exam, project) for exam in ("paciente", "oficial")]
    card = ModelCard((studies[0],))
    assert card.available == ("cnn",)
    with pytest.raises(DataError, match=r"'vgg16'\. Los que hay: cnn"):
        ModelCard((studies[0],), None, ("vgg16",))
    runs = {(run.model, run.exam) for run in ModelCard(tuple(studies)).runs()}
    assert runs == {("cnn", "paciente"), ("cnn", "oficial"), ("vgg16", "oficial")}


def test_la_ficha_no_describe_otros_datos(project):
    with pytest.raises(DataError, match="al menos un estudio"):
        ModelCard(())
    path = project / "estudio" / "kermany" / "paciente" / "results.json"
    results = read_json(path)
    results["config"]["dataset"] = "maqueta"
    write_json(path, results)
    with pytest.raises(DataError, match="'maqueta'"):
        ModelCard((published("kermany", "paciente", project),))


def test_abrir_la_ficha_toma_lo_que_haya(project, tmp_path_factory):
    assert tuple(open_card(root=project).exams) == ("paciente", "oficial")
    (project / "estudio" / "kermany" / "paciente" / "results.json").unlink()
    assert tuple(open_card(root=project).exams) == ("oficial",)
    with pytest.raises(DataError, match="No hay un estudio publicado"):
        open_card(root=tmp_path_factory.mktemp("vacio"))


def test_lo_que_no_esta_definido_lleva_una_raya():
    assert [triple((value, 0.1, 0.2)) for value in (None, float("nan"))] == ["—", "—"]
    assert triple((0.15, 0.1, 0.2)) == "0.150 (0.100 a 0.200)"


def test_pedir_una_tabla_que_no_esta_nombra_las_que_hay(card):
    with pytest.raises(DataError, match="'Otra'"):
        card.sections()["detalles"].table("Otra")
    assert Section("x").tables == {}


def test_las_citas_de_las_fichas_estan_en_la_bibliografia():
    bibliography = (ROOT / "book" / "referencias.bib").read_text(encoding="utf-8")
    for key, (short, full) in REFERENCES.items():
        entry = re.search(rf"@\w+\{{{key},(.*?)\n\}}", bibliography, re.S)
        assert entry, key
        year = re.search(r"year\s*=\s*\{(\d+)\}", entry[1])[1]
        assert year in short and f"({year})" in full


def test_la_ficha_de_los_datos_trae_las_siete_secciones(real):
    text = data_sheet(real)
    assert headings(text) == DATA_SECTIONS
    assert "[@" not in text and "Gebru T. et al. (2021)" in text
    data = real[0].results["data"]
    for expected in (data["fingerprint"], str(data["films"]), str(data["patients"]), "CC BY 4.0",
                     *(study.results["data"]["split_digest"] for study in real)):  # fmt: skip
        assert expected in text


def test_la_composicion_es_la_de_los_nombres_de_los_archivos(real):
    table = data_sections(real)["composicion"].table("Carpetas oficiales")
    films = real[0].predictions
    last = table.iloc[-1]
    assert (last["radiografías"], last["pacientes"]) == (len(films), films["patient"].nunique())
    assert table["radiografías"][:-1].sum() == len(films)
    viral = films[films["image_id"].str.match(r"train/PNEUMONIA/person\d+_virus")]
    row = table[(table["carpeta"] == "entrenamiento") & (table["grupo"] == "neumonía viral")]
    assert row[["radiografías", "pacientes"]].iloc[0].tolist() == [
        len(viral), viral["patient"].nunique(),
    ]  # fmt: skip


def test_las_repetidas_se_cuentan_en_las_copias_del_libro(real):
    text = data_sections(real)["composicion"].text
    repeated = open_dataset("kermany64").manifest.groupby("sha256").size().loc[lambda n: n > 1]
    assert f"{len(repeated)} grupos" in text
    assert f"con {repeated.sum() - len(repeated)} de sobra" in text


def test_si_cambian_los_datos_cambia_su_ficha(project):
    folder = project / "estudio" / "kermany" / "oficial"
    stamp, results = read_json(folder / "provenance.json"), read_json(folder / "results.json")
    stamp["data"]["skipped"] = ["a.jpeg: dañada", "b.jpeg: vacía"]
    stamp["data"]["license"] = "CC0"
    results["data"] |= {"patients": 4321, "fingerprint": "otra-huella"}
    write_json(folder / "provenance.json", stamp)
    write_json(folder / "results.json", results)
    text = data_sheet([published("kermany", "oficial", project)])
    for expected in ("se rechazaron 2.", "CC0", "4321", "otra-huella"):
        assert expected in text
    with pytest.raises(DataError, match="más de uno"):
        data_sheet([published("kermany", exam, project) for exam in ("paciente", "oficial")])
    with pytest.raises(DataError, match="al menos un estudio"):
        data_sheet([])

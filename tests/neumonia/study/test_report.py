"""La tabla del README sale de los estudios publicados."""

import pytest

from neumonia.errors import DataError
from neumonia.files import write_json
from neumonia.study.published import Published
from neumonia.study.report import (
    BEGIN,
    END,
    find_studies,
    results_table,
    table_block,
    update_readme,
)


def publish(root, split: str, accuracy: float, models=("cnn", "vgg16")) -> Published:
    folder = root / "estudio" / "kermany" / split
    names = ("specificity", "sensitivity", "accuracy", "roc_auc")
    values = {"n": 20, **dict.fromkeys(names, 0.5), "accuracy": accuracy, "roc_auc": None}
    intervals = {name: [0.25, 0.75] for name in names} | {"roc_auc": [None, None]}
    write_json(
        folder / "results.json",
        {
            "config": {"dataset": "kermany", "split": split},
            "models": {name: {"test": values, "test_interval": intervals} for name in models},
        },
    )
    return Published(folder)


def test_una_fila_por_modelo_con_su_intervalo_y_rayas_donde_no_hay(tmp_path):
    table = results_table([publish(tmp_path, "paciente", 0.9)])
    assert list(table["modelo"]) == ["CNN", "VGG16"]
    assert list(table["n"]) == ["20", "20"]
    assert table.loc[0, "exactitud"] == "0.900 (0.250 a 0.750)"
    assert table.loc[0, "ROC-AUC"] == "— (—)"
    assert list(table.columns)[4] == "especificidad"


def test_los_estudios_se_encuentran_en_un_orden_fijo(tmp_path):
    for split in ("oficial", "paciente"):
        publish(tmp_path, split, 0.5)
    (tmp_path / "estudio" / "kermany" / "incompleto").mkdir()
    assert [study.folder.name for study in find_studies(tmp_path)] == ["paciente", "oficial"]


def test_el_readme_se_actualiza_solo_entre_sus_marcas(tmp_path):
    publish(tmp_path, "paciente", 0.9, models=("cnn",))
    readme = tmp_path / "README.md"
    readme.write_text(f"# Título\n\n{BEGIN}\nviejo\n{END}\n\nfinal\n", encoding="utf-8")
    update_readme(readme)
    text = readme.read_text(encoding="utf-8")
    assert text.startswith(f"# Título\n\n{BEGIN}\n") and text.endswith(f"{END}\n\nfinal\n")
    assert "viejo" not in text and "0.900 (0.250 a 0.750)" in text
    assert table_block(tmp_path) in text
    update_readme(readme)
    assert readme.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    "text", ["sin marcas", BEGIN, END, f"{END}\n{BEGIN}", f"{BEGIN}{BEGIN}{END}"]
)
def test_sin_sus_marcas_el_readme_no_se_toca(tmp_path, text):
    publish(tmp_path, "paciente", 0.9)
    readme = tmp_path / "README.md"
    readme.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="una vez y en este orden"):
        update_readme(readme)
    assert readme.read_text(encoding="utf-8") == text


def test_sin_archivo_o_sin_estudios_lo_dice(tmp_path):
    with pytest.raises(DataError, match="No existe"):
        update_readme(tmp_path / "README.md")
    (tmp_path / "README.md").write_text(f"{BEGIN}\n{END}", encoding="utf-8")
    with pytest.raises(DataError, match="No hay estudios publicados"):
        update_readme(tmp_path / "README.md")


def test_el_modelo_elegido_y_la_red_pequena_tienen_su_fila(tmp_path):
    publish(tmp_path, "paciente", 0.9, models=("cnn",))
    names = ("specificity", "sensitivity", "accuracy", "roc_auc")
    write_json(
        tmp_path / "estudio" / "kermany" / "revision" / "segunda.json",
        {"counts": {"n": 624}, "test": {key: [0.91, 0.88, 0.94] for key in names}},
    )
    write_json(
        tmp_path / "estudio" / "pneumoniamnist" / "28px-segunda" / "results.json",
        {
            "ensemble": {
                "test": {"n": 624, **dict.fromkeys(names, 0.87)},
                "intervals": {key: [0.85, 0.89] for key in names},
            }
        },
    )
    lines = table_block(tmp_path).splitlines()
    assert len([line for line in lines if line.startswith("| kermany | paciente")]) == 1
    (chosen,) = [line for line in lines if "VGG16 ajustada" in line]
    assert chosen.count("0.910 (0.880 a 0.940)") == len(names)
    (small,) = [line for line in lines if "CNN de 28 px" in line]
    assert small.count("0.870 (0.850 a 0.890)") == len(names)

"""De dónde sale cada número: datos, código, versiones, semilla, máquina y segundos."""

import os
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import neumonia
from neumonia.datasets import Dataset
from neumonia.files import digest, read_json, sha256_file, write_json
from neumonia.study.pipeline import Study

_PACKAGES = ("numpy", "pandas", "pillow", "scikit-learn", "matplotlib", "tensorflow", "keras")


def source_digest() -> str:
    """Huella de todos los archivos del paquete."""
    folder = Path(neumonia.__file__).parent
    return digest(
        [
            [path.relative_to(folder).as_posix(), sha256_file(path)]
            for path in sorted(folder.rglob("*.py"))
        ]
    )


def package_versions() -> dict[str, str]:
    """Versión instalada de cada paquete que decide los números."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "no instalado"
    return found


def git_commit() -> str | None:
    """Confirmación de git del código, con ``+cambios`` si hay algo sin confirmar."""
    folder = Path(neumonia.__file__).parent
    commands = (["git", "rev-parse", "HEAD"], ["git", "status", "--porcelain", "--", "."])
    outputs = []
    for command in commands:
        try:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, timeout=20, check=True
            )
        except (OSError, subprocess.SubprocessError):
            return None
        outputs.append(done.stdout.strip())
    return outputs[0] + ("+cambios" if outputs[1] else "")


def processor() -> str:
    """Nombre del procesador, hasta donde el sistema lo diga."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def environment() -> dict[str, Any]:
    """Con qué código, qué versiones y en qué máquina se calculó algo, sin rutas."""
    return {
        "code": {
            "version": neumonia.__version__,
            "commit": git_commit(),
            "source_digest": source_digest(),
        },
        "packages": package_versions(),
        "machine": {
            "python": platform.python_version(),
            "system": platform.system(),
            "processor": processor(),
            "cores": os.cpu_count(),
        },
    }


def data_origin(dataset: Dataset) -> dict[str, Any]:
    """De qué datos se trata: nombre, huella, cuántas radiografías, cita y licencia."""
    return {
        "name": dataset.name,
        "fingerprint": dataset.fingerprint,
        "films": len(dataset.manifest),
        "skipped": [str(item) for item in dataset.skipped],
        "citation": dataset.info.get("citation"),
        "license": dataset.info.get("licence"),
    }


def provenance(study: Study) -> dict[str, Any]:
    """La procedencia de un estudio, lista para JSON y sin rutas de esta máquina."""
    weights = study.vgg16_weights if study.vgg16_missing is None else None
    return {
        "data": data_origin(study.dataset),
        "split": {"kind": study.config.split, "digest": study.split_digest},
        "config": study.config.identity(),
        "weights": {"origin": weights.origin, "sha256": weights.sha256} if weights else None,
        **environment(),
        "seconds": {kind: item.seconds for kind, item in sorted(study.used.items())},
    }


def sign(folder: Path, name: str, studies: Sequence[Study]) -> None:
    """Anota en ``provenance.json`` de ``folder`` de dónde salió ``name`` y lo que costó.

    El primero de ``studies`` da los datos y los pesos; los segundos son los de todos los productos
    que hicieron falta. Lo que otros firmaron no se toca.
    """
    path = folder / "provenance.json"
    stamp = provenance(studies[0])
    # Un experimento recorre varias particiones y semillas: están en sus resultados.
    for single in ("split", "config"):
        stamp.pop(single)
    served = {key: item for study in studies for key, item in study.store.served.items()}
    seconds: dict[str, float] = {}
    for key, item in sorted(served.items()):
        kind = key.rsplit("-", 1)[0]
        seconds[kind] = round(seconds.get(kind, 0.0) + item.seconds, 2)
    signed = read_json(path) if path.exists() else {}
    write_json(path, {**signed, name: {**stamp, "seconds": seconds}})

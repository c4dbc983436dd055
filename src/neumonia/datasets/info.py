"""La ficha de cada conjunto: qué es, de quién, con qué licencia y de dónde se obtiene."""

from types import MappingProxyType
from typing import Any

_ZENODO = "https://zenodo.org/records/10519652/files/"

_KERMANY = {
    "title": "Radiografías de tórax pediátricas (neumonía), Kermany et al. 2018",
    "licence": "CC BY 4.0",
    "citation": (
        "Kermany D, Zhang K, Goldbaum M (2018). Labeled Optical Coherence Tomography (OCT) and "
        "Chest X-Ray Images for Classification. Mendeley Data. "
        "Kermany et al. (2018). Cell 172(5):1122-1131."
    ),
    "url": "https://www.kaggle.com/datasets/paultimothymooney/chest-xray-pneumonia",
    "handle": "paultimothymooney/chest-xray-pneumonia",
    "n_films": 5856,
    "n_patients": 4097,
    "n_samples": {
        "train": {"NORMAL": 1341, "PNEUMONIA": 3875},
        "val": {"NORMAL": 8, "PNEUMONIA": 8},
        "test": {"NORMAL": 234, "PNEUMONIA": 390},
    },
}

_KERMANY64 = {
    **_KERMANY,
    "title": "Radiografías de tórax pediátricas a 64 píxeles, Kermany et al. 2018",
    # De los valores uint8 en el orden de la tabla, y de las filas de la tabla.
    "pixels_sha256": "b8e520e47b717ddc7c192bdbcd9ad24d60228686140d72c7986dcf3db443151e",
    "table_sha256": "144d277b68b4f6e14f54e52d53e983ea50042bb4c7b72be629f3b728a7f50289",
}

_PNEUMONIAMNIST = {
    "title": "PneumoniaMNIST (MedMNIST v2), Yang et al. 2023",
    "licence": "CC BY 4.0",
    "citation": (
        "Yang J et al. (2023). MedMNIST v2: A large-scale lightweight benchmark for 2D and 3D "
        "biomedical image classification. Scientific Data 10:41. "
        "Imágenes: Kermany et al. (2018). Cell 172(5):1122-1131."
    ),
    "url": "https://medmnist.com",
    # MD5 publicados por el propio proyecto MedMNIST (versión 3.0.2) para cada tamaño.
    "files": {
        28: (f"{_ZENODO}pneumoniamnist.npz?download=1", "28209eda62fecd6e6a2d98b1501bb15f"),
        64: (f"{_ZENODO}pneumoniamnist_64.npz?download=1", "8f4eceb4ccffa70c672198ea285246c6"),
        128: (f"{_ZENODO}pneumoniamnist_128.npz?download=1", "05b46931834c231683c68f40c47b2971"),
        224: (f"{_ZENODO}pneumoniamnist_224.npz?download=1", "d6a3c71de1b945ea11211b03746c1fe1"),
    },
    "n_films": 5856,
    "n_samples": {"train": 4708, "val": 524, "test": 624},
}

_MAQUETA = {
    "title": "Maqueta: radiografías sintéticas con la lesión conocida",
    "licence": "La del código de este proyecto",
    "citation": "Generada por el paquete neumonia; no procede de ningún paciente.",
    "url": "",
}

INFO: MappingProxyType[str, dict[str, Any]] = MappingProxyType(
    {
        "kermany64": _KERMANY64,
        "kermany": _KERMANY,
        "pneumoniamnist": _PNEUMONIAMNIST,
        "maqueta": _MAQUETA,
    }
)

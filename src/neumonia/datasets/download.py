"""Traer los datos de su origen oficial, con suma de comprobación y con un plan si no hay red."""

import sys
import tempfile
from pathlib import Path

from neumonia.datasets.base import INFO, ImportReport
from neumonia.datasets.chest_xray import import_kermany
from neumonia.datasets.pneumoniamnist import file_name, import_npz
from neumonia.errors import ConfigError, DataError
from neumonia.files import explain_os_error

_TIMEOUT = 60


def download_kermany(
    destination: Path | str, progress: bool = True, replace: bool = False
) -> ImportReport:
    """Descarga el archivo oficial (1,2 GB) con kagglehub y lo importa en ``destination``.

    Raises
    ------
    DataError
        Si no se puede descargar; el mensaje dice cómo hacerlo a mano.
    """
    record = INFO["kermany"]
    try:
        import kagglehub

        folder = kagglehub.dataset_download(record["handle"])
    # kagglehub deja pasar errores de varias bibliotecas de red; a todos les cabe la misma salida.
    except Exception as error:
        raise DataError(
            f"No se pudo descargar el conjunto de Kaggle ({_brief(error)}). A mano: bajemos el "
            f"zip desde {record['url']} y ejecutemos: neumonia datos importar RUTA_DEL_ZIP"
        ) from error
    return import_kermany(folder, destination, progress, replace)


def download_pneumoniamnist(
    destination: Path | str, size: int = 28, progress: bool = True
) -> ImportReport:
    """Descarga PneumoniaMNIST de lado ``size`` (28, 64, 128 o 224) y comprueba su MD5.

    Raises
    ------
    ConfigError
        Si no existe ese tamaño.
    DataError
        Si no se puede descargar o la suma no coincide.
    """
    files = INFO["pneumoniamnist"]["files"]
    if size not in files:
        sizes = ", ".join(str(side) for side in files)
        raise ConfigError(f"PneumoniaMNIST se publica en {sizes} píxeles; recibimos {size}.")
    url, md5 = files[size]
    bar = progress and sys.stderr.isatty()
    destination = Path(destination)
    try:
        destination.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain_os_error(error, destination) from error
    with tempfile.TemporaryDirectory(prefix=".tmp-descarga-", dir=destination) as folder:
        try:
            import pooch

            # Sus avisos son en inglés y no agregan nada: los errores llegan igual.
            pooch.get_logger().setLevel("ERROR")
            path = pooch.retrieve(
                url,
                known_hash=f"md5:{md5}",
                fname=file_name(size),
                path=folder,
                downloader=pooch.HTTPDownloader(timeout=_TIMEOUT, progressbar=bar),
            )
        # pooch anuncia una suma distinta con ValueError; la red, con las clases de requests.
        except Exception as error:
            raise DataError(
                f"No se pudo descargar {file_name(size)} ({_brief(error)}). A mano: bajémoslo de "
                f"{url} , comprobemos que su MD5 sea {md5} y ejecutemos: "
                "neumonia datos importar RUTA_DEL_NPZ"
            ) from error
        return import_npz(path, destination)


def _brief(error: BaseException, limit: int = 160) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"

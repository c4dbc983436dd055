"""Un bucle de eventos en otro hilo, para que Ctrl-C siga siendo nuestro."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

SHUTDOWN_SECONDS = 20


def run_in_thread(work: Coroutine[Any, Any, Any]) -> Any:
    """Ejecuta ``work`` en un bucle de eventos de otro hilo y espera su resultado.

    En el hilo principal nbclient se apropia de Ctrl-C y deja tareas a medias. Así la interrupción
    llega aquí: cancelamos, esperamos a que los núcleos terminen y la dejamos pasar.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="imprenta", daemon=True)
    thread.start()
    finished = threading.Event()

    async def watched() -> Any:
        try:
            return await work
        finally:
            finished.set()

    future = asyncio.run_coroutine_threadsafe(watched(), loop)
    try:
        return future.result()
    except KeyboardInterrupt:
        future.cancel()
        finished.wait(SHUTDOWN_SECONDS)
        raise
    finally:
        asyncio.run_coroutine_threadsafe(_drain(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _drain() -> None:
    """Cancela y recoge las tareas que quedaron en el bucle, para que no se quejen al cerrarlo."""
    pending = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)

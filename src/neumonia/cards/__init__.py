"""Las fichas de los modelos y de los datos."""

from neumonia.cards.document import Card, data_card
from neumonia.cards.models import TITLES, Models, open_models

__all__ = ["TITLES", "Card", "Models", "data_card", "open_models"]

"""The learners that a view's member is chosen from."""

from quorate.errors import InvalidInput
from quorate.fitting.options import FitOptions
from services.tuner.learner import Learner
from services.tuner.models.image import ImageLearner
from services.tuner.models.tabular import BoostingLearner, TabularNetworkLearner
from services.tuner.models.text import TextLearner

__all__ = ["BoostingLearner", "ImageLearner", "TabularNetworkLearner", "TextLearner", "learners_of"]

TEXT_EPOCHS, IMAGE_EPOCHS, TABULAR_EPOCHS = 12, 16, 40


def learners_of(view: str, options: FitOptions) -> tuple[Learner, ...]:
    """The candidates for a view; the one with the best out-of-fold score becomes its member."""
    if view == "text":
        return (TextLearner(options.max_epochs or TEXT_EPOCHS, options.max_tokens, options.vocabulary),)
    if view == "image":
        return (ImageLearner(options.max_epochs or IMAGE_EPOCHS, options.image_side, options.augment_images),)
    if view == "tabular":
        epochs = options.max_epochs or TABULAR_EPOCHS
        return (BoostingLearner(options.boosting_rounds), TabularNetworkLearner(epochs))
    raise InvalidInput(f"the tuner has no learner for the view {view!r}; it trains text, image and tabular")

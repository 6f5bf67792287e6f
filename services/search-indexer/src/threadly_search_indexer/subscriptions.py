"""What search-indexer listens to."""

from threadly_chassis.messaging import Consumer, EffectConsumer, Gate, Subscriptions
from threadly_contracts.auth import UserRegistered, UserUpdated
from threadly_contracts.catalog import PRODUCT_EVENTS, CategoryChanged

from .domain.messages import DocumentChanged, NamesChanged
from .use_cases.drop_search_cache import drop_changed_names, drop_changed_product
from .use_cases.index_document import index_document
from .use_cases.project_category import project_category
from .use_cases.project_product import project_product
from .use_cases.project_seller import project_seller
from .use_cases.rename_products import rename_products

SUBSCRIPTIONS = Subscriptions(
    "search-indexer",
    Consumer(
        "search-indexer.projector",
        gate=Gate.LATEST,
        handlers={
            **dict.fromkeys(PRODUCT_EVENTS, project_product),
            CategoryChanged: project_category,
            UserRegistered: project_seller,
            UserUpdated: project_seller,
        },
        rebuildable=True,
    ),
    # No gate: a batch copies the names as they are now, so order and repetition change nothing.
    Consumer("search-indexer.renamer", gate=Gate.NONE, handlers={NamesChanged: rename_products}),
    # Many lanes: a write waits for the index, and those that wait together go in one batch.
    EffectConsumer("search-indexer.indexer", handlers={DocumentChanged: index_document}, lanes=32),
    EffectConsumer(
        "search-indexer.cache-invalidator",
        handlers={DocumentChanged: drop_changed_product, NamesChanged: drop_changed_names},
    ),
)

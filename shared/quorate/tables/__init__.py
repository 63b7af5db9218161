"""Tables: CSV, JSONL and Parquet in; the roles of their columns; the columns that members read."""

from quorate.tables.blocks import REASON, Block, in_place
from quorate.tables.digest import dataset_hash
from quorate.tables.inference import infer_roles
from quorate.tables.labels import infer_task, labels_of, targets_of
from quorate.tables.packing import columns_of, pack_images
from quorate.tables.pictures import with_pictures
from quorate.tables.reading import iter_batches, iter_blocks, read_table, table_format
from quorate.tables.roles import ColumnRole, Roles, roles_of_members

__all__ = [
    "REASON",
    "Block",
    "ColumnRole",
    "Roles",
    "columns_of",
    "dataset_hash",
    "in_place",
    "infer_roles",
    "infer_task",
    "iter_batches",
    "iter_blocks",
    "labels_of",
    "pack_images",
    "read_table",
    "roles_of_members",
    "table_format",
    "targets_of",
    "with_pictures",
]

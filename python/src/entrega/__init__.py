"""Entrega from Python: operators to call, tables to read, and (in `entrega.airflow`) DAGs to schedule."""

from entrega import operators
from entrega.errors import Busy, DataFault, EntregaError, Failed, ProgramMissing, WrongRequest
from entrega.lake import Lake, Query

__all__ = [
    "Busy",
    "DataFault",
    "EntregaError",
    "Failed",
    "Lake",
    "ProgramMissing",
    "Query",
    "WrongRequest",
    "operators",
]

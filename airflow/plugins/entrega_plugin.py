"""Names the plug-in to an Airflow that has the package on its path only; an installed wheel declares it by itself."""

from entrega.airflow.plugin import EntregaPlugin

__all__ = ["EntregaPlugin"]

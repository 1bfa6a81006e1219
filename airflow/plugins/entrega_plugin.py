"""For an Airflow that has the package on its path but not installed as a wheel: names the plug-in that a wheel declares."""

from entrega.airflow.plugin import EntregaPlugin

__all__ = ["EntregaPlugin"]

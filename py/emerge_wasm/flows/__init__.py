"""Work that is spread over machines, and flows that outlive them: `fs.map`, `Flow`, nodes beside Dask's workers.

The engines (Dask, Ray) are imported only when an address names one.
"""

from __future__ import annotations

from .flow import Flow, StepFailed, step
from .run_flow import cancel, flow_status, list_flows, resume, run_flow, start, work

__all__ = ["Flow", "StepFailed", "cancel", "flow_status", "list_flows", "resume", "run_flow", "start", "step", "work"]

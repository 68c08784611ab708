"""The measures, one small function each, in modules by kind; each docstring defines its measure.

``MEASURES`` are shares of single cases; ``ranking`` measures (MRR, nDCG) are computed for all cases
at once by ir-measures; AUROC, the risk-coverage curve, calibration and latency look at all cases.
"""

from eval.measures import abstention, answers, citations, retrieval, sides

MEASURES = [
    *retrieval.MEASURES,
    *answers.MEASURES,
    *citations.MEASURES,
    *abstention.MEASURES,
    *sides.MEASURES,
]

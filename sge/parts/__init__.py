"""Maps and geometry in, named positions out.

A part finder is a keypoint detector: a sparse linear readout of group similarity maps, one per part. This
package needs NumPy arrays only; it knows neither networks nor files of weights.
"""

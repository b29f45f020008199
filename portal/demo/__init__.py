"""The demonstration: a whole portal on real parts, with a fictional lab, fictional partners and a history between them.

Everything is entered through the services, under a clock that starts five months ago and ends now. The models, their
answers, the receipts and the log are real; only the people and what they say are made up.
"""

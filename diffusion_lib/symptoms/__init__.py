"""What each bug looks like: python -m diffusion_lib.symptoms makes data/symptoms/ anew.

Small networks are trained from random weights to draw the digits 0 to 4, each with one thing wrong and else
alike (same first weights, images, noise and steps), and the right one is sampled with one thing wrong. Each
gives a sheet of samples, the trained ones their curves beside the right one's, and all the numbers that tell
them apart, in symptoms.json. Networks that are done are kept: a run that was stopped goes on with the next.
"""

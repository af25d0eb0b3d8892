"""Methods of sparsity: what makes a sparse code of the outputs of the code's dense layer, one module for each.

A method is a Keras layer, `sparsity.layer.SparsityLayer`. L1 needs none: it is a penalty on a plain ReLU.
"""

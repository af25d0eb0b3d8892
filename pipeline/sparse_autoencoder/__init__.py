"""The pipeline of this project: the declaration of its nodes, and how its data set is found."""

"""``/v1``: the model API, in the shape of the OpenAI API."""

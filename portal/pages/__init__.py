"""The Streamlit screens: they show what services return and carry out one service call per click."""

"""One flat script per screen, run by Streamlit; nothing imports them."""

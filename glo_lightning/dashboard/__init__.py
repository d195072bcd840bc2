"""Watch a search in the browser: optuna-dashboard, with pictures of the losses."""

"""What gunicorn serves and the `flask` command administers."""

from workhub import create_app

app = create_app()

"""What gunicorn serves and the `flask` command administers."""

import gc

from workhub import create_app

app = create_app()
# All of this lives as long as the process: no collection walks over it, the last one included,
# which would take longer than most commands.
gc.freeze()

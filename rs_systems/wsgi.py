from django.core.wsgi import get_wsgi_application

from rs_systems import environment

environment.configure()
application = get_wsgi_application()

"""How Django renders our forms: `{{ form }}` and `{{ form.x.as_field_group }}` in the design of the panel."""

from django.forms.renderers import TemplatesSetting


class PanelRenderer(TemplatesSetting):
    form_template_name = "parts/form.html"
    field_template_name = "parts/field.html"
